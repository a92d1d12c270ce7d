"""Recurrent classifiers of sequences."""

import torch
from torch import nn
from torch.nn import functional as F

from entry import Entry, indices, reals


class Recurrent(nn.Module):
    """Layers of one recurrent kind over vectors, classified by the last output."""

    def __init__(self, kind, features=12, hidden=16, **options):
        super().__init__()
        self.layers = kind(features, hidden, batch_first=True, **options)
        self.fc = nn.Linear(hidden * (2 if options.get("bidirectional") else 1), 10)

    def forward(self, x):
        outputs, _ = self.layers(x)
        return self.fc(outputs[:, -1])


class Tagger(nn.Module):
    """Embedded tokens, two bidirectional layers, classified by both final hidden states and the mean output."""

    def __init__(self, vocabulary=40, hidden=12):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(4 * hidden, 10)

    def forward(self, tokens):
        outputs, (hidden, _) = self.lstm(self.embedding(tokens))
        final = hidden.transpose(0, 1)[:, -2:].flatten(1)
        return self.fc(F.relu(torch.cat([final, outputs.mean(1)], 1)))


def sequences(build, **options):
    return Entry(build, {"input": reals(10, 12)}, indices(10), "cross-entropy", **{"lr": 0.1, **options})


NETWORKS = {
    "lstm": sequences(lambda: Recurrent(nn.LSTM, num_layers=2)),
    "lstm_bidirectional": Entry(Tagger, {"tokens": indices(40, 10)}, indices(10), "cross-entropy", lr=0.1),
    "gru": sequences(lambda: Recurrent(nn.GRU, bidirectional=True)),
    "rnn": sequences(lambda: Recurrent(nn.RNN, num_layers=2), opset=13),
    "rnn_relu": sequences(lambda: Recurrent(nn.RNN, nonlinearity="relu"), opset=13),
}
