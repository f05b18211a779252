"""Floor 5: campaigns over random weights: the exact rank, draw by draw, parallel and resumable.

The way through the room: ``cells`` (what is swept) -> ``campaign`` (cells x seeds, cut into
chunks) -> ``batches`` (exact features of many draws at once) -> ``draws`` (one proved row per
draw, with ``singular``'s enclosure of sigma_min) -> ``runners`` (here, joblib or Dask) ->
``journal`` -> ``tables`` and ``summary`` -> ``run``.
"""

from exactcnn.sampling.campaign import Campaign
from exactcnn.sampling.run import run_campaign

__all__ = ["Campaign", "run_campaign"]
