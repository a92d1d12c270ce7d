"""Recommendation from numbers and from rows of large tables."""

import torch
from torch import nn

from entry import Entry, indices, reals, zero_or_one


class DLRM(nn.Module):
    """Tables, a perceptron for the numbers, and the products of every pair of their vectors.

    `tables` of them look up one row, the last one sums a bag of rows.
    """

    def __init__(self, numbers=8, rows=30, width=8, tables=3):
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(numbers, 16), nn.ReLU(), nn.Linear(16, width), nn.ReLU())
        self.tables = nn.ModuleList(nn.Embedding(rows, width) for _ in range(tables))
        self.bag = nn.EmbeddingBag(rows, width, mode="sum")
        vectors = tables + 2
        self.register_buffer("pairs", torch.tril_indices(vectors, vectors, -1))
        self.top = nn.Sequential(nn.Linear(width + vectors * (vectors - 1) // 2, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, numbers, rows, bags):
        x = self.bottom(numbers)
        vectors = [x] + [table(rows[:, i]) for i, table in enumerate(self.tables)] + [self.bag(bags)]
        stacked = torch.stack(vectors, 1)
        products = torch.bmm(stacked, stacked.transpose(1, 2))
        pairs = products[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([x, pairs], 1))


NETWORKS = {
    "dlrm": Entry(DLRM, {"numbers": reals(8), "rows": indices(30, 3), "bags": indices(30, 5)},
                  zero_or_one(1), "bce-with-logits", lr=0.1),
}
