"""What the numbers mean: intervals, paired comparison, quantiles, learning curves, power, cost."""
