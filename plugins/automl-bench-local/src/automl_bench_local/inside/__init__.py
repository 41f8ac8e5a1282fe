"""What runs inside a variant's own environment: training and serving with whatever Python and scikit-learn it has.

A job's folder gets a copy of this package (`program.py` makes it), and the environment's interpreter runs that folder.
So it imports only the standard library, NumPy, Pillow, scikit-learn, joblib, its own modules and
`automl_bench.datasets.decoding`, and its syntax is that of Python 3.8. The host imports the modules `heads`, `hosts`,
`pixels` and `records` too: what decides an answer exists once.
"""
