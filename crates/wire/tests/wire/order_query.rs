//! A seller asks what was bought.

use wire::openapi::{
    OpenApiCode,
    order_query::{OrderInfo, OrderQueryAnswer, OrderType, mock_order, mock_order_ids},
};

/// The published example (spec: protocol §3.3), shortened ids.
const EXAMPLE: &str = r#"{"resultCode":"MKT.0000","resultMsg":"Success","orderInfo":{"orderId":"CS2401010000ABCDE","orderType":"NEW","createTime":"20240101064736","orderLine":[{"orderLineId":"CS2401010000ABCDE-000001","chargingMode":"PERIOD","periodType":"year","periodNumber":1,"expireTime":"20250101155959","productInfo":[{"productId":"OFFI000000000000000001","skuCode":"a63ee5c9-0000-0000-0000-000000000001","linearValue":10,"productName":"Demo,Spec,Basic"}]}],"buyerInfo":{"customerId":"6880","customerName":"demo"}}}"#;

const NOW: i64 = 1_706_659_200_000; // 2024-01-31T00:00:00Z

#[test]
fn the_published_answer_is_read_and_written_unchanged() {
    let answer: OrderQueryAnswer = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(answer.order_info.as_ref().unwrap().created_at_ms, 1_704_091_656_000);
    assert_eq!(serde_json::to_string(&answer).unwrap(), EXAMPLE);
}

#[test]
fn an_order_that_is_not_there_has_no_order_info() {
    let answer = OrderQueryAnswer::failed(OpenApiCode::IllegalOperation);
    assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"resultCode":"MKT.0150","resultMsg":"Illegal operation"}"#);
    assert_eq!(OpenApiCode::IllegalOperation.http_status(), 401);
    for code in OpenApiCode::ALL {
        assert_eq!(OpenApiCode::parse(code.as_str()), Some(code));
    }
}

#[test]
fn every_documented_mock_order_can_be_queried() {
    assert_eq!(mock_order_ids().count(), 9);
    for order_id in mock_order_ids() {
        let order = mock_order(order_id, NOW).unwrap();
        assert_eq!(order.order_lines[0].order_line_id, format!("{order_id}-000001"));
        let text = serde_json::to_string(&OrderQueryAnswer::found(order.clone())).unwrap();
        let read: OrderQueryAnswer = serde_json::from_str(&text).unwrap();
        assert_eq!(read.order_info, Some(order));
    }
    assert_eq!(mock_order("CS2401010000ABCDE", NOW), None);
}

#[test]
fn mock_orders_are_what_their_names_say() {
    let line = |order: &OrderInfo| serde_json::to_value(&order.order_lines[0]).unwrap();
    let renewal = mock_order("MOCKMONTYRENEW", NOW).unwrap();
    assert_eq!(renewal.order_type, OrderType::Renew);
    assert_eq!(line(&renewal)["periodType"], "month");
    // A month after 31 January ends with February.
    assert_eq!(line(&renewal)["expireTime"], "20240229000000");
    let trial = mock_order("MOCKPERIODDAYTRIAL", NOW).unwrap();
    assert_eq!((trial.order_type, line(&trial)["expireTime"].as_str()), (OrderType::Trial, Some("20240207000000")));
    let usage = mock_order("MOCKONDEMAND", NOW).unwrap();
    assert_eq!(line(&usage)["chargingMode"], "ON_DEMAND");
    assert_eq!(line(&usage).get("expireTime"), None);
    assert_eq!(line(&mock_order("MOCKONDEMANDPKG", NOW).unwrap())["chargingMode"], "ON_DEMAND_PKG");
}

#[test]
fn one_line_of_an_order_can_be_asked_for() {
    let order = mock_order("MOCKONETIMENEW", NOW).unwrap();
    assert_eq!(order.clone().only_line("MOCKONETIMENEW-000001"), Some(order.clone()));
    assert_eq!(order.only_line("MOCKONETIMENEW-000002"), None);
}
