"""Looking inside a trained network: what each layer costs, over what times it remembers, and what.

Everything runs the float64 meaning of the ops along sequences; there is no TensorFlow here.
"""

from edgemem.inspect.counts import LayerCounts as LayerCounts
from edgemem.inspect.counts import layer_counts as layer_counts
from edgemem.inspect.layers import Layer as Layer
from edgemem.inspect.layers import layers as layers
from edgemem.inspect.report import Inside as Inside
from edgemem.inspect.report import looks_along as looks_along
from edgemem.inspect.report import report as report
from edgemem.inspect.timescales import TimeScales as TimeScales
from edgemem.inspect.timescales import time_scales as time_scales
from edgemem.inspect.window import Window as Window
from edgemem.inspect.window import window as window
