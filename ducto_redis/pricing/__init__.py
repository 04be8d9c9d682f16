"""Pricing: what usage costs. This release has its data models; the engine and its expressions follow."""
