"""The node of the course of autumn 2019: work over the last block, coins for the miner's own name."""

from flask import Flask, jsonify, make_response, request

from node import Node, forged, options, run

chosen = options("course", push="/block/new", routes=["/block/new"])
app = Flask(__name__)
node = Node(chosen)


def missing(values, *fields):
    """The answer to a body that lacks one of `fields`, or None."""
    if not all(field in values for field in fields):
        return jsonify(message=f"Missing values: {', '.join(fields)}"), 400


@app.get("/chain")
def chain():
    """The whole chain."""
    return jsonify(chain=node.chain, length=len(node.chain))


@app.get("/last_block")
def last_block():
    """What a miner needs to know."""
    return jsonify(last_block=node.last_block)


@app.post("/mine")
def mine():
    """Takes a proof and pays a coin to `id`. All peers have answered before the miner has an answer."""
    values = request.get_json()
    if error := missing(values, "proof", "id"):
        return error
    if not node.rules.valid_proof(node.last_block, values["proof"]):
        return jsonify(message="Proof is invalid or already submitted.")
    block = node.forge(values["proof"], recipient=values["id"])
    node.broadcast(block)
    return jsonify(forged(block))


@app.post("/transactions/new")
def new_transaction():
    """Queues a transaction for the next block."""
    values = request.get_json()
    if error := missing(values, "sender", "recipient", "amount"):
        return error
    index = node.add_transaction(values["sender"], values["recipient"], values["amount"])
    return jsonify(message=f"Transaction will be added to Block {index}"), 201


def new_block():
    """Takes a peer's block. When the peer is ahead of us we answer, and only then ask for chains."""
    values = request.get_json()
    if error := missing(values, "block"):
        return error
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
    values = request.get_json()
    if values.get("nodes") is None:
        return jsonify(message="Error: Please supply a valid list of nodes"), 400
    node.register(values["nodes"])
    return jsonify(message="New nodes have been added", total_nodes=list(node.peers)), 201


@app.get("/nodes/resolve")
def resolve():
    """Looks for a longer chain among the peers."""
    if node.resolve():
        return jsonify(message="Our chain was replaced", new_chain=node.chain)
    return jsonify(message="Our chain is authoritative", chain=node.chain)


if __name__ == "__main__":
    run(app, chosen)
