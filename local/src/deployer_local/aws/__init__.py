"""The emulated AWS of the laptop engine.

ministack answers the AWS APIs; the modules here run it inside this process, keep its Lambda workers to what Lambda
gives them, put AWS's own events on its bus, and refuse what AWS refuses. One reason for each module; `host` puts them
together. Nothing here knows the deployer: it would host any other application as well.
"""
