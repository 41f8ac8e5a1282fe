"""From upload to teardown: stages, ledger, waiting, budget, engine."""
