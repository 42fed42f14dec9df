import torch
import torch.nn.functional as F  # noqa: N812

from closegap.models import LinearHead, MLPHead


def test_linear_head_is_a_matrix() -> None:
    head = LinearHead(5, 3)
    assert [tuple(parameter.shape) for parameter in head.parameters()] == [(3, 5)]
    x = torch.randn(4, 5)
    torch.testing.assert_close(head(x), x @ head.weight.T)


def test_mlp_head_is_its_definition() -> None:
    torch.manual_seed(0)
    head = MLPHead(5, 3, hidden=7).eval()
    x = torch.randn(4, 5)
    norm = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + head.norm.eps).sqrt()
    hidden = F.gelu(norm @ head.expand.weight.T + head.expand.bias)
    expected = norm @ head.shortcut.weight.T + hidden @ head.contract.weight.T + head.contract.bias
    torch.testing.assert_close(head(x), expected)


def test_mlp_head_does_not_see_the_scale_of_features() -> None:
    head = MLPHead(16, 3, hidden=7).eval()
    x = torch.randn(4, 16)
    torch.testing.assert_close(head(100 * x), head(x), atol=1e-4, rtol=1e-4)


def test_mlp_head_drops_in_training_alone() -> None:
    head = MLPHead(5, 3, hidden=32, dropout=0.5)
    x = torch.randn(4, 5)
    assert not torch.equal(head.train()(x), head(x))
    assert torch.equal(head.eval()(x), head(x))
