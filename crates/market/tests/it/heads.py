"""Checks a proof with nothing but hashlib and the rules of RFC 6962: what an auditor would write. Says the root each entry leads to."""

import hashlib
import json
import sys


def leaf_hash(entry):
    content = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"\x00" + content.encode()).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf, index, size, path):
    """By halves, from the top: the last hash of the path is beside the larger half."""
    if size == 1:
        assert not path
        return leaf
    half = 1 << ((size - 1).bit_length() - 1)
    if index < half:
        return node_hash(root(leaf, index, half, path[:-1]), path[-1])
    return node_hash(path[-1], root(leaf, index - half, size - half, path[:-1]))


proof = json.load(sys.stdin)
roots = []
for proven in proof["entries"]:
    leaf = leaf_hash(proven["entry"])
    assert leaf.hex() == proven["leaf_hash"]
    path = [bytes.fromhex(text) for text in proven["path"]]
    roots.append(root(leaf, proven["entry"]["sequence"] - 1, proof["head"]["size"], path).hex())
json.dump(roots, sys.stdout)
