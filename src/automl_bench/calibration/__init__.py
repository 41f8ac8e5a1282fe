"""How well this machine measures: `bench-self`, and the experiment on coordinated omission."""
