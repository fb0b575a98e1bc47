"""Excitation backprop (Zhang et al. 2016), the attention of GPF-CNN, for any model as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gazekit.core.errors import InputError
from gazekit.models.attention.interception import SOFTMAX, capture, gradients
from gazekit.models.attention.preparing import prepared
from gazekit.models.attention.readout import as_map, chosen_classes, held_still, of_pictures, readout_layer
from gazekit.models.attention.rules import Dense, Gated, Split, Through, Weighted

Function = Callable[..., Any]

_CONVOLUTION = {torch.conv1d, torch.conv2d, torch.conv3d}
_LINEAR = {F.linear}
_POOLING = {
    *(F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_avg_pool1d, F.interpolate),
    *(Tensor.mean, torch.mean, Tensor.sum, torch.sum),
}
_ACTIVATION = {
    *(F.relu, torch.relu, Tensor.relu, F.relu6, F.hardtanh, F.leaky_relu, F.silu, F.gelu, F.elu, F.hardswish),
    *(F.hardsigmoid, F.mish, F.softplus, F.tanh, torch.tanh, Tensor.tanh, torch.sigmoid, Tensor.sigmoid, F.sigmoid),
}
_IN_PLACE: dict[Function, Function] = {torch.relu_: torch.relu, Tensor.relu_: torch.relu}
_MATRICES = {
    *(torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm),
}
_NORMALISATION = {
    *(F.batch_norm, F.group_norm, F.layer_norm, F.instance_norm, F.normalize),
    *(F.dropout, F.alpha_dropout, F.dropout2d),
}
_LENGTH = {torch.norm, Tensor.norm, torch.linalg.vector_norm}
_ADDITION = {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__}
_PRODUCT = {torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__imul__, Tensor.__rmul__}
_DIFFERENCE = {torch.sub, Tensor.sub, Tensor.sub_, Tensor.__sub__, Tensor.__isub__}
_QUOTIENT = {torch.div, Tensor.div, Tensor.__truediv__}
_ROUTING = {
    *(torch.max_pool2d, F.max_pool2d, F.adaptive_max_pool2d, torch.cat, torch.concat, torch.flatten, Tensor.flatten),
    *(torch.reshape, Tensor.reshape, Tensor.reshape_as, Tensor.view, Tensor.view_as, Tensor.contiguous, Tensor.float),
    *(Tensor.to, Tensor.double, Tensor.permute, torch.permute, Tensor.transpose, torch.transpose, Tensor.squeeze),
    *(torch.squeeze, Tensor.unsqueeze, Tensor.__getitem__, Tensor.chunk, torch.chunk, Tensor.split, torch.split),
    *(torch.roll, Tensor.roll, Tensor.unbind, torch.unbind, Tensor.narrow, torch.narrow, Tensor.repeat, torch.stack),
    *(Tensor.type_as, Tensor.swapaxes, Tensor.movedim, Tensor.detach, torch.clone),
    *(F.pad, Tensor.unflatten, Tensor.expand, Tensor.requires_grad_, Tensor.clone, torch.amax, Tensor.amax),
}


class _Excitation(TorchFunctionMode):
    """While it is active, what a model computes keeps its values and sends probabilities down, not gradients."""

    def __torch_function__(
        self, func: Function, types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Run the rule's version of the call; operations on tensors outside the graph run as they are."""
        kwargs = dict(kwargs or {})
        tensors = [t for t in args if isinstance(t, Tensor)]
        if (
            func is Tensor.view and len(args) > 1 and not isinstance(args[1], torch.dtype)
        ):  # fails where channels are last
            func = Tensor.reshape
        if func in _ROUTING or not tensors:
            return func(*args, **kwargs)
        if not any(t.requires_grad and not isinstance(t, nn.Parameter) for t in tensors):
            with torch.no_grad():
                return func(*args, **kwargs)
        answer = _answer(func, args, kwargs)
        if answer is not None:
            return answer
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and result.requires_grad:
            name = getattr(func, "__name__", str(func))
            raise InputError(f"excitation backprop has no rule for {name}; read the attention with method='gradcam'")
        return result


def excitation(
    model: nn.Module, pictures: Tensor, layers: Sequence[str], *, target: Tensor | int | None = None
) -> dict[str, Tensor]:
    """Compute the winning probabilities of the neurons of some layers.

    Parameters
    ----------
    pictures : Tensor
        Normalised, (N, 3, H, W).
    layers : Sequence[str]
        Paths of layers, the lowest first; what lies below that one is not visited.
    target : Tensor or int or None
        Class of each picture, or one for all; else the predicted one.

    Returns
    -------
    dict[str, Tensor]
        Path -> Tensor of the layer's shape: non-negative. In a layer that all paths from the class to the picture go
        through, each picture's sum is 1.
    """
    with held_still(model):
        ready, inputs = prepared(model, pictures)
        with capture(ready, *layers, detach=True) as kept, torch.no_grad(), _Excitation():
            scores = ready(_laid_out(inputs))
        seed = F.one_hot(chosen_classes(scores.detach(), target), scores.shape[1]).to(scores.dtype)
        return gradients(scores, {path: kept[path] for path in layers}, seed)


def excitation_backprop(
    model: nn.Module, pictures: Tensor, *, target: Tensor | int | None = None, layer: str | None = None
) -> Tensor:
    """Compute the attention map of a class: the winning probabilities of a layer, summed over its channels.

    Parameters
    ----------
    pictures : Tensor
        Normalised, (N, 3, H, W).
    target : Tensor or int or None
        Class of each picture, or one for all; else the predicted one.
    layer : str or None
        Path of the layer; else the model's ``readout``.

    Returns
    -------
    Tensor
        Tensor, float32, (N, h, w) of the layer: non-negative, each summing to 1.

    Raises
    ------
    InputError
        No such layer or class; a layer that gives no map; pictures or weights that are not numbers; the model has an
        operation that there is no rule for.
    """
    path = readout_layer(model, layer)
    winning = as_map(excitation(model, pictures, [path], target=target)[path], model, path)
    return of_pictures(model, winning.sum(1), pictures)


def _laid_out(pictures: Tensor) -> Tensor:
    """Channels last on a CPU, where convolutions and pooling take less time so."""
    suited = pictures.ndim == 4 and pictures.device.type == "cpu"
    return pictures.contiguous(memory_format=torch.channels_last) if suited else pictures


def _answer(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    func = _IN_PLACE.get(func, func)
    if func in _CONVOLUTION or func in _LINEAR:
        return _weighted(func, args, kwargs)
    if func in _POOLING:
        return _run(Weighted, args[0], _rest(func, args, kwargs), _rest(func, args, kwargs))
    if func in SOFTMAX and args[0].ndim > 2:  # weights of attention are a gate: nothing goes down through them
        return func(args[0].detach(), *args[1:], **kwargs)  # type: ignore[no-any-return]
    if func in _LENGTH:  # how strong a response is as a whole scales it: a gate as well
        return func(args[0].detach(), *args[1:], **kwargs)  # type: ignore[no-any-return]
    if func is torch.addcmul and not kwargs:
        return _sum(args[0], _product(torch.mul, args[1], args[2]))
    if func is F.scaled_dot_product_attention:
        return _attend(args, kwargs)
    if func in _MATRICES:
        return _matrices(func, args[0], args[1])
    if func in _ACTIVATION or func in _NORMALISATION or func in SOFTMAX:
        calm = {name: False if name == "inplace" else value for name, value in kwargs.items()}
        return _run(Through, args[0], _rest(func, args, calm))
    if func in _ADDITION and not kwargs:
        return _sum(args[0], args[1])
    if func in _DIFFERENCE and not kwargs:
        return _less(args[0], args[1])
    if func in _PRODUCT or func in _QUOTIENT:
        return _product(func, args[0], args[1])
    return None


def _run(rule: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    return rule.apply(*inputs)  # type: ignore[no-any-return, no-untyped-call]


def _rest(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    return lambda x: func(x, *args[1:], **kwargs)


def _weighted(func: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    arguments = {**dict(zip(names, args, strict=False)), **kwargs}
    x, weight = arguments.pop("input"), arguments.pop("weight").detach()
    bias = arguments.pop("bias", None)
    if _is_dense(func, x, weight, arguments):
        result = _run(Dense, x, weight.flatten(1), None if bias is None else bias.detach())
        return result.reshape(len(x), -1, *[1] * (x.ndim - 2))

    def compute(x: Tensor) -> Tensor:
        return func(x, weight, bias, **arguments)  # type: ignore[no-any-return]

    def positive(x: Tensor) -> Tensor:
        layout = torch.channels_last if weight.ndim == 4 and _channels_last(x) else torch.contiguous_format
        return func(x, weight.contiguous(memory_format=layout).clamp_min(0), None, **arguments)  # type: ignore[no-any-return]

    return _run(Weighted, x, compute, positive)


def _channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _is_dense(func: Function, x: Tensor, weight: Tensor, given: dict[str, Any]) -> bool:
    if func in _LINEAR:
        return x.ndim == 2
    unpadded = given.get("padding", 0) in (0, (0,) * (x.ndim - 2)) and given.get("groups", 1) == 1
    return unpadded and x.shape[1:] == weight.shape[1:]


def _sum(a: Any, b: Any) -> Tensor:
    responses = [isinstance(t, Tensor) and not isinstance(t, nn.Parameter) for t in (a, b)]
    if all(responses):
        return _run(Split, *torch.broadcast_tensors(a, b))  # type: ignore[no-untyped-call]
    response, other = (a, b) if responses[0] else (b, a)
    return _run(Through, response, lambda x: x + other)


def _less(a: Any, b: Any) -> Tensor:
    """Return a - b: what is taken away excites nothing."""
    if not (isinstance(a, Tensor) and a.requires_grad):
        return torch.sub(a, b.detach())
    other = b.detach() if isinstance(b, Tensor) else b
    return _run(Through, torch.broadcast_tensors(a, other)[0] if isinstance(b, Tensor) else a, lambda x: x - other)  # type: ignore[no-untyped-call]


def _attend(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    """Run fused attention, linear in its values: p goes to them by the weights, as in `_matrices`."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    q, k, v = (given.pop(name) for name in ("query", "key", "value"))
    q, k = q.detach(), k.detach()
    given = {name: value.detach() if isinstance(value, Tensor) else value for name, value in given.items()}

    def attend(x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, x, **given)

    return _run(Weighted, v, attend, attend)


def _matrices(func: Function, a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices: p goes to the response, by the positive weights; two responses make weights of attention."""
    if a.requires_grad and b.requires_grad:
        return func(a.detach(), b.detach())  # type: ignore[no-any-return]
    if a.requires_grad:
        return _run(Weighted, a, lambda x: func(x, b), lambda x: func(x, b.clamp_min(0)))
    return _run(Weighted, b, lambda x: func(a, x), lambda x: func(a.clamp_min(0), x))


def _product(func: Function, a: Any, b: Any) -> Tensor:
    if _is_response(a) and _is_response(b) and func in _PRODUCT:
        response, gate = (a, b) if a.numel() >= b.numel() else (b, a)  # a gate may be one for many
        return _run(Gated, response, gate.expand_as(response))
    if _is_response(a):
        return _run(Through, a, lambda x: func(x, b))
    return _run(Through, b, lambda x: func(a, x))


def _is_response(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and not isinstance(value, nn.Parameter)
