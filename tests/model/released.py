"""Names and shapes of the weights that the authors released, written out from their code and not from ours."""

import torch


def linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def ced_shapes(config):
    """CED of RicherMans/CED, its front end's two buffers included."""
    width, columns = config.embed_dim, config.target_frames // 16
    shapes = {"time_pos_embed": (1, width, 1, columns), "freq_pos_embed": (1, width, 4, 1)}
    shapes |= {"front_end.0.spectrogram.window": (512,), "front_end.0.mel_scale.fb": (257, 64)}
    shapes |= {f"init_bn.1.{part}": (64,) for part in ("weight", "bias", "running_mean", "running_var")}
    shapes |= {"init_bn.1.num_batches_tracked": (), "patch_embed.proj.weight": (width, 1, 16, 16), "patch_embed.proj.bias": (width,)}
    for n in range(config.depth):
        shapes |= norm(f"blocks.{n}.norm1", width) | norm(f"blocks.{n}.norm2", width)
        shapes |= linear(f"blocks.{n}.attn.qkv", 3 * width, width) | linear(f"blocks.{n}.attn.proj", width, width)
        shapes |= linear(f"blocks.{n}.mlp.fc1", 4 * width, width) | linear(f"blocks.{n}.mlp.fc2", width, 4 * width)
    return shapes | norm("norm", width) | norm("outputlayer.0", width) | linear("outputlayer.1", config.outputdim, width)


def sonar_shapes(config):
    """SONAR's text encoder as fairseq2 0.2 names it."""
    width, inner = config.model_dim, config.ffn_inner_dim
    shapes = {"encoder_frontend.embed.weight": (config.vocab_size, width)}
    for n in range(config.num_encoder_layers):
        own = f"encoder.layers.{n}."
        shapes |= norm(own + "self_attn_layer_norm", width) | norm(own + "ffn_layer_norm", width)
        for part in ("q_proj", "k_proj", "v_proj", "output_proj"):
            shapes |= linear(f"{own}self_attn.{part}", width, width)
        shapes |= linear(own + "ffn.inner_proj", inner, width) | linear(own + "ffn.output_proj", width, inner)
    return shapes | norm("layer_norm", width)


def ml_clap_shapes(config):
    """The released ML-CLAP."""
    shapes = {f"audio_encoder.model.{key}": shape for key, shape in ced_shapes(config.audio).items()}
    shapes |= {f"text_encoder.model.{key}": shape for key, shape in sonar_shapes(config.text).items()}
    for side, width in (("audio", config.audio.embed_dim), ("text", config.text.model_dim)):
        shapes |= linear(f"{side}_proj.0", config.joint_dim, width) | linear(f"{side}_proj.2", config.joint_dim, config.joint_dim)
    return shapes | {"temperature": ()}


def random_state(shapes, seed=0):
    """Random weights of moderate size under these names: matrices scaled by their inputs, norms about one, variances positive."""
    from torchaudio.functional import melscale_fbanks

    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        fan_in = max(1, noise[0].numel()) if len(shape) > 1 else 1
        state[name] = noise / fan_in**0.5 if len(shape) > 1 else 0.1 * noise + (name.endswith("weight") or name.endswith("running_var"))
        if name.endswith("fb"):
            state[name] = melscale_fbanks(257, 0.0, 8000.0, 64, 16_000)
        if name.endswith("window"):
            state[name] = torch.hann_window(512)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1000)
    if "temperature" in state:
        state["temperature"] = torch.tensor(0.05)
    return state
