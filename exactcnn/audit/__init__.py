"""Floor 5: published architectures against the paper's Table 1 and Figure 1.

>>> from exactcnn.audit import ARCHITECTURES, audit
>>> found = audit(ARCHITECTURES["xception"]())
>>> found.architecture.widest.width, found.reaches_n, found.verdict
(2765952, True, 'explained')
"""

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.compare import Audit, audit
from exactcnn.audit.graph import Graph
from exactcnn.audit.published import ARCHITECTURES

__all__ = ["ARCHITECTURES", "Architecture", "Audit", "Graph", "audit"]
