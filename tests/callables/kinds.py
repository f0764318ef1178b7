"""One decorated callable of each kind, at module level so that they pickle."""

import asyncio
import functools

import modelspan

watch = modelspan.monitor(model="m", version="1")


@watch
def function(x, scale=2):
    """Docstring of the function."""
    return x["a"] * scale


@watch
async def coroutine(x, scale=2):
    await asyncio.sleep(0)
    return x["a"] * scale


@watch
def generator(x, scale=2):
    for _ in range(3):
        yield x["a"] * scale


@watch
async def async_generator(x, scale=2):
    for _ in range(3):
        await asyncio.sleep(0)
        yield x["a"] * scale


class Model:
    factor = 2

    @watch
    def method(self, x):
        return x["a"] * self.factor

    @classmethod
    @watch
    def class_method(cls, x):
        return x["a"] * cls.factor

    @watch
    @classmethod
    def class_method_above(cls, x):
        return x["a"] * cls.factor

    @staticmethod
    @watch
    def static_method(x):
        return x["a"] * 2

    @watch
    @staticmethod
    def static_method_above(x):
        return x["a"] * 2

    def plain(self, x):
        return x["a"] * self.factor


class Callable:
    """An object with `__call__` and state."""

    factor = 2

    def __call__(self, x):
        return x["a"] * self.factor


class AsyncCallable:
    async def __call__(self, x):
        return x["a"] * 2


def plain(x, scale=2):
    return x["a"] * scale


bound = watch(Model().plain)
partial = watch(functools.partial(plain, scale=2))
callable_object = watch(Callable())
async_callable = watch(AsyncCallable())

SYNC = {
    "function": function,
    "method": Model().method,
    "class method": Model.class_method,
    "class method below": Model.class_method_above,
    "static method": Model.static_method,
    "static method below": Model().static_method_above,
    "bound method": bound,
    "partial": partial,
    "callable object": callable_object,
}
