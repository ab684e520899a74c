"""resize: height x width."""

import resize

resize.SIZE = (600, 800)
handler = resize.handler
