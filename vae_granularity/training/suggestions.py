"""Suggest what a mistyped option or key meant; pure functions of words, without Hydra or torch."""

import difflib
from collections.abc import Iterator, Sequence

from omegaconf import DictConfig, OmegaConf

# Least similarity of a word to the one that is suggested in its place (difflib's ratio).
CUTOFF = 0.6
# Launchers of other packages, and the extra of ours that installs each.
EXTRAS = {"submitit_local": "slurm", "submitit_slurm": "slurm"}
GREEK = {"β": "beta", "γ": "gamma", "λ": "lambda"}
# What papers and other programs call an option, as `normalised` writes it. Spelling is no alias:
# dashes, underscores and capitals count for nothing anyway.
OPTION_ALIASES = {
    "stcvae": ("betastcvae", "bstcvae", "tcvaest", "structuredtcvae"),
    "betatcvae": ("btcvae", "tcvae", "betatc"),
    "betavae": ("bvae",),
    "annealedvae": ("annealedbetavae", "betavaeannealed", "ccbetavae", "betavaeb"),
    "dipvae_i": ("dipvae1", "dipvae", "dip1"),
    "dipvae_ii": ("dipvae2", "dip2"),
    "factorvae": ("fvae", "factorisedvae", "factorizedvae"),
    "infovae": ("mmdvae",),
    "lambdabetavae": ("lbvae", "lambdavae", "betalambdavae"),
    "pdisvae": ("pdis", "partiallydisentangledvae"),
    "qlae": ("qlvae", "latentquantization", "latentquantisation"),
    "shapes3d": ("3dshapes", "shapes"),
    "cars3d": ("3dcars", "cars"),
    "dsprites": ("sprites", "2dshapes"),
    "mpi3d": ("mpi", "mpi3dtoy", "mpi3dreal", "mpi3drealistic"),
    "smallnorb": ("norb",),
    "images": ("folder", "imagefolder", "pictures"),
    "blocks": ("synthetic",),
}
# Keys of earlier versions and of other programs.
KEY_ALIASES = {
    "callbacks.checkpoint": ("callbacks.last",),
    "allow_mixed": ("mix",),
    "num_bootstrap": ("draws",),
    "max_rows": ("rows",),
    "model.granularity": ("gamma", "group_size", "model.gamma", "model.group_size"),
    "model.latent_dim": ("z_dim", "num_latents", "latents", "latent_size", "model.z_dim"),
    "trainer.max_steps": ("steps", "num_steps", "epochs", "max_epochs", "trainer.steps"),
    "optimizer.lr": ("learning_rate", "optimizer.learning_rate"),
    "paths.output_dir": ("out", "output", "outdir", "paths.output", "paths.runs_dir"),
    "trainer.accelerator": ("accelerator", "device", "gpus"),
}


def normalised(word: str) -> str:
    """Return a name as it is compared: small letters and digits, Greek letters by their names.

    >>> normalised("β-STCVAE"), normalised("DIP_VAE-I")
    ('betastcvae', 'dipvaei')
    """
    lower = word.casefold()
    spelt = "".join(GREEK.get(letter, letter) for letter in lower)
    return "".join(letter for letter in spelt if letter.isalnum())


def same_option(name: str, options: Sequence[str]) -> str | None:
    """Return the option that a name stands for, by another spelling or an alias of it.

    >>> same_option("beta-stcvae", ["betatcvae", "stcvae"]), same_option("st", ["stcvae"])
    ('stcvae', None)
    """
    word = normalised(name)
    for option in options:
        if word and word in (normalised(option), *OPTION_ALIASES.get(option, ())):
            return option
    return None


def suggestion(word: str, candidates: Sequence[str]) -> str:
    """Return `, did you mean 'NAME'?` for the candidate that a word resembles most, or nothing.

    >>> suggestion("btcvae", ["stcvae", "betatcvae"]), suggestion("xyz", ["stcvae"])
    (", did you mean 'betatcvae'?", '')
    """
    meant = same_option(word, candidates)
    if meant is None:
        # The last of several options that are spelt alike is never the one that was meant less.
        spelt = {normalised(candidate): candidate for candidate in candidates}
        near = difflib.get_close_matches(normalised(word), spelt, n=1, cutoff=CUTOFF)
        meant = spelt[near[0]] if near else None
    return f", did you mean {meant!r}?" if meant else ""


def option_message(group: str, name: str, options: Sequence[str]) -> str:
    """Return what to say of an option that a group does not have."""
    extra = EXTRAS.get(name) if group == "hydra/launcher" else None
    if extra is not None:
        return f"{group} needs the extra {extra!r}: pip install 'vae-granularity[{extra}]'"
    public = [option for option in options if not option.startswith("_")]
    meant = suggestion(name, public)
    return f"{group} has no option {name!r}{meant}; there are {', '.join(public)}"


def key_message(key: str, request: str, config: DictConfig) -> str:
    """Return what to say of a key that the config does not have: a similar one, or how to add it.

    Args:
        key: as far as the first part that does not exist of the one in the `request`.
        config: what the command takes.
    """
    keys = [name for name in nested_keys(config) if not name.rpartition(".")[2].startswith("_")]
    alias = _key_of_alias(key, keys) or _key_of_alias(request, keys)
    if alias is not None:
        return f"no such key {key!r}, did you mean {alias!r}?"
    parent, _, leaf = key.rpartition(".")
    while parent and parent not in keys:
        parent, _, leaf = parent.rpartition(".")
    siblings = [name for name in keys if name.rpartition(".")[0] == parent]
    node = OmegaConf.select(config, parent) if parent else config
    if parent and not siblings and OmegaConf.is_dict(node) and not node:
        return f"{parent} is empty; add to it with +{request}=VALUE"
    if parent and not siblings:
        return f"no such key {key!r}: {parent} has no keys here"
    message = f"no such key {key!r}"
    leaves = [name.rpartition(".")[2] for name in siblings]
    near = difflib.get_close_matches(leaf, leaves, n=1)
    if parent and near:
        return f"{message}, did you mean {f'{parent}.{near[0]}'!r}?"
    if parent:
        return f"{message}; {parent} has {', '.join(leaves)}"
    meant = _meant_key(key, keys)
    return f"{message}, did you mean {meant!r}?" if meant else f"{message}; {_list(leaves)}"


def nested_keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a config, those of mappings among them."""
    for key in config:
        name = f"{prefix}{key}"
        yield name
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation():
            yield from nested_keys(node, f"{name}.")


def _key_of_alias(word: str, keys: Sequence[str]) -> str | None:
    for key, aliases in KEY_ALIASES.items():
        if word in aliases and key in keys:
            return key
    return None


def _meant_key(word: str, keys: Sequence[str]) -> str | None:
    """Return the key of that last part, those of `paths` first, else the most similar one."""
    alike = [key for key in keys if key.rpartition(".")[2] == word]
    if alike:
        return min(alike, key=lambda key: not key.startswith("paths."))
    by_leaf = {key.rpartition(".")[2]: key for key in reversed(keys)}
    for names in (dict(zip(keys, keys, strict=True)), by_leaf):
        near = difflib.get_close_matches(word, names, n=1, cutoff=CUTOFF)
        if near:
            return names[near[0]]
    return None


def _list(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}"
