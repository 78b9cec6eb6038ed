"""The tables of the usual features, as the shipped model has them: to make them loads librosa, which takes seconds."""

from __future__ import annotations

from functools import cache

from typeahead import config
from typeahead.voice.classifier import Classifier
from typeahead.voice.mfcc import Features, Tables

FEATURES = Features()


@cache
def tables_of_features() -> Tables:
    """Return what ``Tables.of(FEATURES)`` returns, bit for bit; a test of the MFCCs compares them."""
    shipped = Classifier.load(config.models_dir() / "voice.safetensors")
    assert shipped.features == FEATURES
    return shipped.tables
