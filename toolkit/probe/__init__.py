"""The program that `toolkit verify` sends to a host: it looks at a service and changes nothing.

The host may have nothing but Python 3.10 and its standard library, so these modules import
only that and each other, and are ASCII. toolkit/facts.py describes what goes in and comes out.
"""
