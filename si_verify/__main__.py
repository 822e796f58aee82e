"""``python -m si_verify``."""

from si_verify.cli import main

if __name__ == "__main__":
    main()
