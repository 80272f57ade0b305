"""A griffe extension: `jaxgen.transforms.coupling` is the function, although the file that defines it has the same name.

At run time a package's `from .coupling import coupling` binds the function over the module. griffe reads files without running them and keeps
the module, so that the reference would lack every function that is called as its file.
"""

from collections.abc import Iterator

import griffe


class FunctionsNamedAsFiles(griffe.Extension):
    """Put the imported function in the place of the module, as Python does."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: object) -> None:
        """Replace the modules of one package after griffe has read all of its files."""
        hidden = {f"{package.path}.{name}": (package, name, package.members[name].members[name]) for package, name in _hidden(pkg)}
        loader.resolve_aliases(implicit=True, external=False)  # afterwards the files themselves cannot be reached by their paths
        bound = {path: griffe.Alias(name, target=function, parent=package) for path, (package, name, function) in hidden.items()}
        for path, (package, name, _) in hidden.items():
            package.members[name] = bound[path]
        for module in _modules(pkg):
            for member in module.members.values():
                if member.is_alias and member.target_path in bound and member is not bound[member.target_path]:
                    member.target = bound[member.target_path]


def _hidden(pkg: griffe.Module) -> Iterator[tuple[griffe.Module, str]]:
    for package in _modules(pkg):
        for name, member in package.members.items():
            if not member.is_alias and member.is_module and package.imports.get(name) == f"{member.path}.{name}":
                yield package, name


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for member in list(module.members.values()):
        if not member.is_alias and member.is_module:
            yield from _modules(member)
