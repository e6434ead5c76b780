"""One expression per line of what numpy offers, over `x` of shape (N, 4, 6)."""

EXPRESSIONS = """
x + 1
x * 2.5
x / 255.0
x / 255
x - x.mean(axis=(1,2), keepdims=True)
(x - x.min(axis=(1,2), keepdims=True)) / (x.max(axis=(1,2), keepdims=True) - x.min(axis=(1,2), keepdims=True))
x // 2
x % 3
x // 0.3
x % 0.3
x % -2
x ** 2
x ** 3
x ** 0.5
np.power(x, 1.5)
2.0 ** x
-x
abs(x)
np.sqrt(x)
np.exp(x)
np.log(x)
np.log10(x)
np.log2(x)
np.log1p(x)
np.expm1(x)
np.sin(x)
np.cos(x)
np.tan(x)
np.arcsin(x)
np.arccos(x)
np.arctan(x)
np.arctan2(x, x.mean(axis=1, keepdims=True))
np.sinh(x)
np.cosh(x)
np.tanh(x)
np.arcsinh(x)
np.arccosh(x)
np.arctanh(x)
np.hypot(x, x[:, :1])
np.cbrt(x)
np.exp2(x)
np.sign(x)
np.square(x)
np.reciprocal(x)
np.floor(x)
np.ceil(x)
np.rint(x)
np.trunc(x)
np.round(x, 2)
np.round(x, -1)
np.around(x)
np.degrees(x)
np.radians(x)
np.clip(x, 0, 1)
np.clip(x, 0, None)
x.clip(-1, 1)
np.maximum(x, 0)
np.minimum(x, x[:, :1])
np.fmax(x, x[:, ::-1])
np.fmin(x, 0)
np.isnan(x)
np.isfinite(x)
np.isinf(x)
np.nan_to_num(x)
np.nan_to_num(x, nan=-1, posinf=5, neginf=-5)
np.where(np.isnan(x), 0, x)
np.where(x > 0, x, 0.01 * x)
x > 0
x >= x[:, :1]
x == 0
x != 1
(x > 0) & (x < 1)
(x > 0) | ~(x < 1)
np.logical_and(x, x > 0)
np.logical_not(x)
x.sum(axis=1)
x.sum(axis=(1,2))
x.sum(axis=-1, keepdims=True)
x.prod(axis=2)
x.mean(axis=1)
x.std(axis=2)
x.std(axis=2, ddof=1)
x.var(axis=(1,2))
x.max(axis=2)
x.min(axis=(1,2))
np.ptp(x, axis=2)
x.argmax(axis=2)
x.argmin(axis=1)
x.any(axis=1)
x.all(axis=2)
np.median(x, axis=2)
np.median(x, axis=(1,2))
np.percentile(x, 25, axis=2)
np.percentile(x, [5, 50, 95], axis=2).transpose(1,2,0)
np.quantile(x, 0.9, axis=(1,2))
np.nanmean(x, axis=2)
np.nanstd(x, axis=2)
np.nanmedian(x, axis=2)
np.nanmax(x, axis=2)
np.nanmin(x, axis=2)
np.nansum(x, axis=2)
np.nanpercentile(x, 16, axis=2)
np.cumsum(x, axis=2)
np.cumprod(x, axis=1)
np.maximum.accumulate(x, axis=2)
np.diff(x, axis=2)
np.gradient(x, axis=2)
np.sort(x, axis=2)
np.argsort(x, axis=2, kind='stable')
np.take_along_axis(x, np.argsort(x, axis=2, kind='stable'), axis=2)
x.transpose(0, 2, 1)
np.moveaxis(x, 2, 1)
np.swapaxes(x, 1, 2)
x.reshape(len(x), -1)
x.reshape(x.shape[0], 24)
x.reshape((-1, 4, 2, 3))
x[:, None]
x[..., ::-1]
x[:, ::2, 1:-1]
x[:, 1]
x[:, -1, :3]
x[:, [2, 0, 1]]
x[:, :, np.array([True, False, True, True, False, False])]
np.flip(x, axis=1)
np.rot90(x, axes=(1, 2))
np.roll(x, 2, axis=2)
np.repeat(x, 2, axis=1)
np.tile(x, (1, 2, 1))
np.pad(x, ((0,0),(1,1),(2,0)))
np.pad(x, ((0,0),(1,1),(2,0)), mode='edge')
np.pad(x, ((0,0),(1,1),(2,0)), mode='reflect')
np.pad(x, ((0,0),(1,1),(2,0)), constant_values=1)
np.concatenate([x, x[:, :1]], axis=1)
np.stack([x, x * 2], axis=1)
np.hstack([x, x])
np.dstack([x, x])
np.column_stack([x[:, 0, 0], x[:, 1, 1], x[:, 2, 2]])
np.vstack([x[:, 0, 0], x[:, 1, 1]]).T
np.c_[x[:, 0, 0], x[:, 1, 1]]
np.array([x, x]).transpose(1, 0, 2, 3)
np.expand_dims(x, -1)
np.squeeze(x[:, :1], axis=1)
x.astype(np.float32)
x.astype(np.int32)
x.astype('uint8')
x.astype(bool)
x.astype(np.float16)
x.astype(np.float64) * 3
np.float32(x)
np.matmul(x, np.ones((6, 2), x.dtype))
x @ x.transpose(0, 2, 1)
np.dot(x, np.arange(6).astype(x.dtype))
np.einsum('nij,kj->nik', x, np.ones((3, 6), x.dtype))
np.tensordot(x, np.ones((6, 2), x.dtype), axes=1)
np.linalg.norm(x, axis=2)
np.linalg.norm(x, axis=2, keepdims=True)
np.linalg.norm(x, ord=1, axis=1)
np.average(x, axis=2, weights=[1, 2, 3, 4, 5, 6])
np.interp(x, [0.0, 1.0, 2.0], [0.0, 10.0, 5.0])
np.digitize(x, [0.0, 0.5, 1.0])
np.searchsorted(np.array([0.0, 0.5, 1.0]), x)
np.isin(x, [0, 1, 2])
np.select([x < 0, x < 1], [x, x * 2], default=-1)
np.trapezoid(x, axis=2)
np.sinc(x)
np.count_nonzero(x, axis=2)
np.copysign(1.0, x)
np.heaviside(x, 0.5)
np.signbit(x)
np.fmod(x, 0.7)
np.divmod(x, 0.3)[0]
np.modf(x)[0]
np.logaddexp(x, 0)
np.zeros_like(x) + x
np.ones((len(x), 2), dtype=np.float32)
np.full((x.shape[0], 1), 3.0)
np.tril(x)
np.diagonal(x, axis1=1, axis2=2)
np.split(x, 2, axis=2)[1]
np.array_split(x, 4, axis=2)[0]
np.broadcast_to(x[:, :1], x.shape)
np.append(x, x[:, :1], axis=1)
np.delete(x, 1, axis=1)
np.insert(x, 1, 0, axis=1)
np.cross(x[:, :, :3], x[:, :, 3:])
np.take(x, [0, 2], axis=2)
np.argmax(x, axis=2)[..., None] == np.arange(6)
np.eye(6)[np.argmax(x, axis=2)]
np.nancumsum(x, axis=2)
np.round(x).astype(int)
x.flatten().reshape(x.shape)
x.ravel().reshape(x.shape)
np.ascontiguousarray(x.T).T
np.float64(1.5) * x
np.float32(1.5) * x
x * np.array([1, 2, 3, 4, 5, 6])
x.mean(axis=0) + 0 * x
(x - x.mean(axis=0)) / (x.std(axis=0) + 1)
x / x.sum()
x - np.median(x)
x / len(x)
x.sum(axis=0, keepdims=True) / x.shape[0] + x
np.arange(len(x))[:, None, None] + x
x[::-1]
np.histogram(x[0], bins=4, range=(0, 1))[0] + 0 * x[:, 0, :4]
np.meshgrid(np.arange(6), np.arange(4))[0] + x
np.outer(x[:, 0, 0], np.arange(3))
np.trace(x, axis1=1, axis2=2)
x.trace(axis1=1, axis2=2)
np.isclose(x, 1.0)
np.unstack(x, axis=1)[0]
np.atleast_2d(x[:, 0, 0]).T
x.mean(axis=(1,2), dtype=np.float64)
x.sum(axis=1, dtype=np.float32)
np.sum(x, axis=2, where=x > 0)
np.mean(x, axis=2, where=x > 0)
np.max(x, axis=2, where=x > 0, initial=0)
np.divide(x, x[:, :1], out=np.zeros_like(x), where=x[:, :1] != 0)
np.linspace(0, 1, 6) * x
np.bitwise_and(x.astype(np.int64), 3)
(x.astype(np.int64) >> 1) & 1
x.astype(np.int32) << 2
x.astype(np.uint16) // 7
x.astype(np.int16) // -3
np.std(x, axis=0)[None] + x
np.convolve(np.ones(6), np.ones(3), 'same') * x
np.fix(x)
np.isposinf(x)
np.isneginf(x)
x.clip(0)
x.reshape((len(x), 24), order="F")
x.transpose(0, 2, 1).reshape((len(x), 8, 3), order="F")
np.asfortranarray(x) * 2
np.partition(x, 2, axis=2)[:, :, 2]
np.partition(x, (1, -2), axis=1)[:, -2]
np.choose((x > 0).astype(int) + (x > 1), [x, x + x, 1])
np.choose(x.astype(np.int64), [x, 0], mode="clip")
np.unwrap(x + x, axis=2)
np.unwrap(x, period=2, axis=1)
x - np.nanmedian(x[:, :, :5], axis=2, keepdims=True)
np.take(x, [0, 7, -8], axis=2, mode="wrap")
np.take(x, [0, 7, -8], axis=2, mode="clip")
""".strip().splitlines()
