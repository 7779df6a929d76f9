"""Files with damaged structure and digests that fit, and what edgemem makes of them."""
