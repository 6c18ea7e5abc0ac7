"""Exact inner-product index over unit vectors, bound to the checkpoint that made them. The only faiss import."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np

from clap.embed import Encoder
from clap.errors import UserError

NORM_TOLERANCE = 1e-2
"""How far a vector's length may be from 1: float16 storage rounds, anything more is not an embedding."""


class VectorIndex:
    """`ids[i]` names row i of `vectors` `(N, D)` float32, unit norm, made by `checkpoint` whose weights hash to `fingerprint`."""

    def __init__(self, ids: Sequence[str], vectors: np.ndarray, checkpoint: str, fingerprint: str) -> None:
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(ids) != len(vectors):
            raise UserError(f"An index needs one vector per id; got {len(ids)} ids and vectors of shape {vectors.shape}.")
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=NORM_TOLERANCE):
            raise UserError("An index needs unit vectors; at least one has another length.")
        self.ids = tuple(str(name) for name in ids)
        self.vectors = vectors
        self.checkpoint = checkpoint
        self.fingerprint = fingerprint
        self._faiss = faiss.IndexFlatIP(vectors.shape[1])
        self._faiss.add(vectors)

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, vectors: np.ndarray, top: int) -> tuple[list[list[str]], np.ndarray]:
        """The best `min(top, N)` ids per query and their inner products.

        `vectors` is `(Q, D)`; scores are `(Q, K)` float32, falling; equal scores keep the order of the index.
        """
        queries = np.ascontiguousarray(np.atleast_2d(vectors), dtype=np.float32)
        if queries.shape[1] != self._faiss.d:
            raise UserError(f"The index holds vectors of {self._faiss.d} numbers; the query has {queries.shape[1]}.")
        if top < 1:
            raise UserError(f"The number of results must be at least 1; got {top}.")
        scores, rows = self._faiss.search(queries, min(top, len(self)))
        order = np.lexsort((rows, -scores), axis=1)
        ids = [[self.ids[row] for row in query] for query in np.take_along_axis(rows, order, axis=1)]
        return ids, np.take_along_axis(scores, order, axis=1)

    def save(self, path: Path) -> None:
        """Write arrays `names`, `embeddings`, `checkpoint`, `fingerprint` to an npz file, through a temporary name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as stream:
            np.savez(
                stream,
                names=np.array(self.ids, dtype=np.str_),
                embeddings=self.vectors,
                checkpoint=np.array(self.checkpoint),
                fingerprint=np.array(self.fingerprint),
            )
        partial.replace(path)

    @classmethod
    def load(cls, path: Path, encoder: Encoder) -> VectorIndex:
        """The index of `path`; raises UserError when it is unreadable or `encoder` did not make it."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                names, vectors = stored["names"], stored["embeddings"]
                checkpoint, fingerprint = str(stored["checkpoint"]), str(stored["fingerprint"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path.name} is not a complete index; rebuild it with `{rebuild_command(encoder, path)}`.") from error
        if fingerprint != encoder.fingerprint:
            raise UserError(
                f"{path.name} was made by {checkpoint} ({fingerprint[:12]}), not by {encoder.name} ({encoder.fingerprint[:12]}); "
                f"rebuild it with `{rebuild_command(encoder, path)}`."
            )
        return cls(names.tolist(), vectors, checkpoint, fingerprint)


def rebuild_command(encoder: Encoder, path: Path) -> str:
    """The command that makes the index of `path` again with `encoder`."""
    return f"rm {path} && python -m clap search --checkpoint {encoder.name} rain"
