"""How good and how fast: accuracy pass, arrivals, closed loop, open loop, validity."""
