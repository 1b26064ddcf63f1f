"""The runner's HTTP interface besides the intake: health, metrics, trial eligibility, administration."""
