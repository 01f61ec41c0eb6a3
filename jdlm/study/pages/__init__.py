"""Pages: what a run or a study found as one file of HTML, without network; and samples that unmask step by step.

Names from outside are text and nothing else: see `jdlm.study.pages.document`.
"""

from jdlm.study.pages.document import page
from jdlm.study.pages.report import Facts, report
from jdlm.study.pages.scene import LONGEST, scene, watch

__all__ = ["LONGEST", "Facts", "page", "report", "scene", "watch"]
