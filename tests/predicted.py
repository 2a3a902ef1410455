"""Predictions that several tests look at, made once in each process. To be read only."""

from functools import lru_cache
from typing import Any

import rmt_spikes as rs


@lru_cache(maxsize=64)
def predicted(setting: rs.Setting, **options: Any) -> rs.Prediction:
    return rs.predict(setting, **options)
