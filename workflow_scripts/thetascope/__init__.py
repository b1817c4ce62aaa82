"""thetascope: does what contrastive pre-training learns depend on the angle of rotation?"""

__version__ = "0.1.0"
