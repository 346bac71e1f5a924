"""The paper's numbers and claims, the rule, and the verdicts."""
