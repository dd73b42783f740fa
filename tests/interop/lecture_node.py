"""The node of Lecture II: clients search, the server checks, peers hear of every block."""

from flask import Flask, jsonify, make_response, request

from node import Node, forged, options, run

chosen = options("lecture", push="/new", routes=["/new", "/nodes/new"])
app = Flask(__name__)
node = Node(chosen)


@app.get("/chain")
def chain():
    """The whole chain."""
    return jsonify(chain=node.chain, length=len(node.chain))


@app.get("/last_proof")
def last_proof():
    """What a miner needs to know."""
    return jsonify(last_proof=node.last_block["proof"])


@app.post("/mine")
def mine():
    """Takes a proof and pays a coin for it. All peers have answered before the miner has an answer."""
    values = request.get_json()
    if "proof" not in values:
        return "Missing Value: proof", 400
    if not node.rules.valid_proof(node.last_block, values["proof"]):
        return jsonify(message="Proof is invalid or already submitted.")
    block = node.forge(values["proof"], recipient=node.id)
    node.broadcast(block)
    return jsonify(forged(block))


@app.post("/transactions/new")
def new_transaction():
    """Queues a transaction for the next block."""
    values = request.get_json()
    if not all(field in values for field in ("sender", "recipient", "amount")):
        return "Missing values", 400
    index = node.add_transaction(values["sender"], values["recipient"], values["amount"])
    return jsonify(message=f"Transaction will be added to Block {index}"), 201


def new_block():
    """Takes a peer's block. When the peer is ahead of us we answer, and only then ask for chains."""
    values = request.get_json()
    if "block" not in values:
        return "Missing value: block", 400
    block = values["block"]
    if node.accept(block):
        return "Block Accepted"
    answer = make_response("Block Rejected")
    if block["index"] > node.last_block["index"]:
        if chosen.naive:
            node.resolve()
        else:
            answer.call_on_close(node.resolve)
    return answer


for route in chosen.routes:
    app.post(route, endpoint=route)(new_block)


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
    """Looks for a longer chain among the peers."""
    if node.resolve():
        return jsonify(message="Our chain was replaced", new_chain=node.chain)
    return jsonify(message="Our chain is authoritative", chain=node.chain)


if __name__ == "__main__":
    run(app, chosen)
