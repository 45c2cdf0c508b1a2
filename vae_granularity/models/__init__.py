"""The VAE variants as LightningModules, one file each; base.py holds the only training step."""
