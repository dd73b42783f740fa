"""A node of the tutorial that the course is built on: the server searches, and nobody pushes blocks."""

from flask import Flask, jsonify, request

from node import Node, forged, options, run

chosen = options("dvf")
app = Flask(__name__)
node = Node(chosen)


@app.get("/chain")
def chain():
    """The whole chain."""
    return jsonify(chain=node.chain, length=len(node.chain))


@app.get("/mine")
def mine():
    """Searches for a proof, here and now, and ends the chain with its block."""
    block = node.forge(node.rules.lowest_proof(node.last_block), recipient=node.id)
    return jsonify(forged(block))


@app.post("/transactions/new")
def new_transaction():
    """Queues a transaction for the next block."""
    values = request.get_json()
    if not all(field in values for field in ("sender", "recipient", "amount")):
        return "Missing values", 400
    index = node.add_transaction(values["sender"], values["recipient"], values["amount"])
    return jsonify(message=f"Transaction will be added to Block {index}"), 201


@app.post("/nodes/register")
def register():
    """Gets to know peers."""
    nodes = request.get_json().get("nodes")
    if nodes is None:
        return "Error: Please supply a valid list of nodes", 400
    node.register(nodes)
    return jsonify(message="New nodes have been added", total_nodes=list(node.peers)), 201


@app.get("/nodes/resolve")
def resolve():
    """Looks for a longer chain among the peers; the only way in which chains travel here."""
    if node.resolve():
        return jsonify(message="Our chain was replaced", new_chain=node.chain)
    return jsonify(message="Our chain is authoritative", chain=node.chain)


if __name__ == "__main__":
    run(app, chosen)
