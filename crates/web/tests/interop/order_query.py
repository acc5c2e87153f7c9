"""Asks the order query with Huawei's published SDK core, as a seller's server does.

Standard input holds a JSON list of questions, standard output gets the JSON list of the answers in the same order. What is expected of the
marketplace stands in the Rust test that starts this; here is only what a seller's server brings: the SDK, and a plain HTTP client.

A question is an object:
  way      "client": the SDK's whole client builds, signs and sends; "signer": the SDK's signer signs, `requests` sends
  endpoint, path, query (list of [name, value]), headers (object), ak, sk
"""

import json
import sys
import warnings
from types import SimpleNamespace

import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.client import Client
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.http.http_handler import HttpHandler
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.sdk_response import SdkResponse
from huaweicloudsdkcore.signer.signer import Signer

TIMEOUT_SECONDS = 20


class OrderQueryResponse(SdkResponse):
    """What the SDK's generator would make of the answer."""

    openapi_types = {"result_code": "str", "result_msg": "str", "order_info": "object"}
    attribute_map = {"result_code": "resultCode", "result_msg": "resultMsg", "order_info": "orderInfo"}
    sensitive_list = []

    def __init__(self, result_code=None, result_msg=None, order_info=None):
        super().__init__()
        self.result_code = result_code
        self.result_msg = result_msg
        self.order_info = order_info


def read(response):
    try:
        return {"status": response.status_code, "body": response.json()}
    except ValueError:
        return {"status": response.status_code, "body": response.text}


def with_client(question):
    """The way of every generated SDK: a client with credentials, an endpoint and models. It raises whatever is not a success."""
    seen = []
    client = Client()
    client.model_package = SimpleNamespace(OrderQueryResponse=OrderQueryResponse)
    client.with_config(HttpConfig(timeout=TIMEOUT_SECONDS)).with_endpoints([question["endpoint"]])
    # With a domain, the SDK asks no other service who the caller is; it sends and signs the header X-Domain-Id.
    client.with_credentials(GlobalCredentials(question["ak"], question["sk"], "domain"))
    client.with_http_handler(HttpHandler().add_response_handler(lambda **seen_now: seen.append(seen_now["response"])))
    client.init_http_client()
    told = raised = None
    try:
        response = client.do_http_request(
            method="GET",
            resource_path=question["path"],
            path_params={},
            query_params=[tuple(pair) for pair in question["query"]],
            header_params=dict(question["headers"]),
            response_type="OrderQueryResponse",
        )
        told = response.order_info and response.order_info["orderId"]
    except ServiceResponseException as refused:
        raised = {"error_code": refused.error_code, "error_msg": refused.error_msg, "request_id": refused.request_id}
    return {**read(seen[-1]), "told": told, "raised": raised}


def with_signer(question):
    """The way of a seller who calls with an HTTP client of their own and takes only the signature from the SDK."""
    scheme, host = question["endpoint"].split("://")
    request = SdkRequest(
        method="GET",
        schema=scheme,
        host=host,
        resource_path=question["path"],
        query_params=[tuple(pair) for pair in question["query"]],
        header_params={"Content-Type": "application/json", **question["headers"]},
        body="",
    )
    request = Signer(BasicCredentials(question["ak"], question["sk"], "project")).sign(request)
    # `uri` is the path with the query as the signer wrote it.
    url = f"{scheme}://{host}{request.uri}"
    return read(requests.get(url, headers=request.header_params, timeout=TIMEOUT_SECONDS, proxies={"http": "", "https": ""}))


WAYS = {"client": with_client, "signer": with_signer}

if __name__ == "__main__":
    # The SDK warns about its own use of deprecated names.
    warnings.simplefilter("ignore")
    json.dump([WAYS[question["way"]](question) for question in json.load(sys.stdin)], sys.stdout)
