"""`python -m rmt_spikes.cli`, the same as `rmt-spikes`."""

from rmt_spikes.cli import main

if __name__ == "__main__":
    main()
