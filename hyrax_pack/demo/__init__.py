"""`hyrax-pack demo`: the files a user would write, the commands a user would type, and what came of them."""

from hyrax_pack.demo.running import run_demo

__all__ = ["run_demo"]
