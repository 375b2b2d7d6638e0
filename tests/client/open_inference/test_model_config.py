"""A model's configuration is as Triton's clients read it."""

from google.protobuf import json_format

from vitrine_client.open_inference import datatypes, model_config
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.specs import SignatureSpec, TensorSpec


def config_of(inputs: list[TensorSpec], outputs: list[TensorSpec], most: int = 1000) -> dict:
    by_name = ({spec.name: spec for spec in specs} for specs in (inputs, outputs))
    return model_config.config_of("m", SignatureSpec(*by_name), most)


IMAGES = TensorSpec("images", "FP32", (-1, 28, 28))


def test_the_free_first_dimension_of_all_tensors_is_left_out_and_counts_rows() -> None:
    found = config_of([IMAGES], [TensorSpec("class_ids", "INT64", (-1,))], 8)
    assert found["max_batch_size"] == 8
    assert found["input"] == [{"name": "images", "data_type": "TYPE_FP32", "dims": [28, 28]}]
    assert found["output"] == [{"name": "class_ids", "data_type": "TYPE_INT64", "dims": []}]


def test_where_one_tensor_has_no_rows_dimensions_are_whole() -> None:
    found = config_of([IMAGES], [TensorSpec("total", "FP64", (3,))])
    assert found["max_batch_size"] == 0
    assert found["input"][0]["dims"] == [-1, 28, 28]
    assert found["output"][0]["dims"] == [3]


def test_any_shape_is_no_batch() -> None:
    any_shape = TensorSpec("x", "BYTES", None)
    found = config_of([any_shape], [any_shape])
    assert found["max_batch_size"] == 0
    assert found["input"] == [{"name": "x", "data_type": "TYPE_STRING", "dims": []}]


def test_a_model_without_inputs_has_no_batch() -> None:
    assert config_of([], [])["max_batch_size"] == 0


def test_each_datatype_has_its_name_and_the_message_takes_it() -> None:
    kinds = [TensorSpec(name, name, (-1, 2)) for name in (*datatypes.DATATYPES, "DT_COMPLEX64")]
    found = config_of(kinds, kinds)
    message = json_format.ParseDict(found, wire.ModelConfig())
    assert message.max_batch_size == 1000
    names = [wire.DataType.Name(each.data_type) for each in message.input]
    assert names[-2:] == ["TYPE_STRING", "TYPE_INVALID"]
    assert names[0] == "TYPE_BOOL"
    assert "TYPE_INVALID" not in names[:-1]
    assert message.instance_group[0].kind == wire.ModelInstanceGroup.KIND_CPU
