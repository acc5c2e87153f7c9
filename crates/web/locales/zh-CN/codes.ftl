# 每个错误码一条消息：值为标题，.detail 说明发生了什么、该怎么做。

## 通用

body-invalid = 无法读取请求体
    .detail = 请求体不符合该操作的要求：{ $detail }。请改正后重新发送。
body-too-large = 请求体过大
    .detail = 最多接受 { $max } 字节，请缩减后重试。
field-invalid = 字段不符合规则
    .detail = 字段 { $field } 不符合规则（{ $rule }），请改正后重新发送。
parameter-invalid = 参数有误
    .detail = 参数 { $field } 有误：{ $detail }。请改正后重新发送。
media-type-unsupported = 不支持的内容类型
    .detail = 请以 JSON 发送请求体，并带上请求头 Content-Type: application/json。
not-found = 未找到
    .detail = 不存在，或您无权查看。请检查地址或 ID。
method-not-allowed = 此处不支持该方法
    .detail = 该地址存在，但不支持此方法。可用的方法见响应头 Allow。
sign-in-needed = 请先登录
    .detail = 尚未登录。请登录后在请求头 Authorization 中携带令牌。
token-invalid = 登录已失效
    .detail = 令牌或会话不存在、已结束或已被吊销，请重新登录。
role-missing = 您的角色无权执行此操作
    .detail = 此操作需要权限 { $permission }，请联系账号所有者授予具备该权限的角色。
scope-missing = 令牌的授权范围不足
    .detail = 该令牌未包含授权范围 { $permission }，请创建包含该范围的令牌。
session-needed = 令牌不能执行此操作
    .detail = 涉及登录安全的更改只能由已登录的本人完成。请使用密码登录后，携带会话令牌重试。
too-many-requests = 请求过于频繁
    .detail = 请在 { $seconds } 秒后重试。
version-stale = 内容已被他人修改
    .detail = 请重新加载，确认变化后再次提交修改。
version-missing = 缺少版本
    .detail = 可能有多人同时编辑。请在请求头 If-Match 中带上您最近读取到的 ETag。
idempotency-conflict = 该幂等键已用于其他请求
    .detail = 新请求请使用新的键；同一个键只用于重复同一请求。
idempotency-key-missing = 缺少幂等键
    .detail = 请在请求头 Idempotency-Key 中为每次操作提供一个自拟的值，这样重复发送也不会重复执行。
idempotency-key-invalid = 幂等键不可用
    .detail = 键须为 1 至 { $max } 个可见 ASCII 字符，不含空格。
cursor-invalid = 无法识别分页游标
    .detail = 请原样使用上一页返回的 next，或不带游标从头开始。
internal = 系统内部错误
    .detail = 错误已记录。如再次出现，请将请求 ID { $request_id } 告知我们。
unavailable = 暂时不可用
    .detail = 云商店目前无法完成此操作，请稍后重试；使用相同的幂等键不会重复执行。

## 金额与时间

currency-mix = 不同币种不能相加
    .detail = { $left } 与 { $right } 不能合并计算，请使用同一币种。
amount-too-large = 金额过大
    .detail = 超出云商店可处理的金额，请减小金额或数量。
amount-not-positive = 金额须大于零
    .detail = 请输入大于零的金额。
period-invalid = 不支持该购买时长
    .detail = 请选择合计 1 至 { $max_months } 个月的时长。
clock-not-sandbox = 该市场的时钟不可调整
    .detail = 只有沙箱市场的时钟可以调整。
clock-backwards = 时钟只能向前
    .detail = 请选择晚于当前市场时间的时间。
clock-too-far = 超出时钟可达到的时间
    .detail = 请选择不晚于 { $latest } 的时间。
clock-busy = 他人正在调整时钟
    .detail = 请等待其完成后重试。

## 账号

account-name-taken = 账号名已被使用
    .detail = 请换一个账号名。
login-taken = 登录名已被使用
    .detail = 请换一个登录名。
sign-in-wrong = 登录名或密码错误
    .detail = 请检查后重试。多次输错密码后，该用户将被锁定一段时间。
sign-in-locked = 密码错误次数过多
    .detail = 该用户已被锁定 { $minutes } 分钟，请稍后再试。
user-disabled = 该用户已停用
    .detail = 请联系账号所有者重新启用该用户。
password-weak = 密码过于简单
    .detail = 请至少使用 { $min } 个字符，且不要使用常见密码。
last-owner = 账号必须有所有者
    .detail = 请先将其他人设为所有者。
already-seller = 该账号已是商家
    .detail = 无需再次申请，请直接使用商家功能。
not-seller = 该账号不是商家
    .detail = 请先申请成为商家并等待审核通过。
too-many = 已达到数量上限
    .detail = 每个账号最多 { $max } 个，请先移除不再使用的。
role-not-grantable = 不能授予该角色
    .detail = 您的账号类型没有该角色，请选择其他角色。
operator-exists = 运营账号已存在
    .detail = 每个市场只有一个运营账号，请使用该账号登录并在其中添加用户。
seller-exited = 该账号已退出商家身份
    .detail = 最早可于 { $earliest } 重新申请。

## 商品

product-state = 商品当前状态不允许此操作
    .detail = 商品状态为 { $state }，请重新加载以查看当前可执行的操作。
product-incomplete = 商品信息不完整
    .detail = 还缺少：{ $missing }。请补全后重新提交。
not-on-sale = 不可购买
    .detail = 该商品、规格或 SKU 当前不可购买或已停售，请选择其他商品。
price-missing = 不支持该购买时长
    .detail = 该 SKU 没有所选时长的价格，请选择商品页提供的时长。
quantity-invalid = 数量超出范围
    .detail = 请选择 { $min } 至 { $max } 之间的数量，步长为 { $step }。
address-refused = 不允许使用该生产地址
    .detail = { $reason }。请使用您自己服务器的公网 HTTPS 地址。
address-in-use = 仍在使用中
    .detail = 仍有商品在使用该地址或密钥，请先将相关规格改用其他地址。
review-decided = 已有审核结论
    .detail = 已被通过或驳回，请重新加载查看结论。

## 订单与资金

order-state = 订单当前状态不允许此操作
    .detail = 订单状态为 { $state }，请重新加载以查看当前可执行的操作。
balance-too-low = 余额不足
    .detail = 余额为 { $balance }，需要 { $needed }。请先充值，再重新支付。
price-changed = 价格已变动
    .detail = 报价为 { $quoted }，当前价格为 { $current }。请确认新价格后重新下单。
own-product = 这是您自己的商品
    .detail = 商家不能购买自己的商品，请使用其他账号。
deposit-duplicate = 该笔转账已登记
    .detail = 已存在使用该银行流水号的充值记录，请核对银行对账单上的流水号。

## 证明

nothing-posted = 没有相关记账
    .detail = 账本中没有与此相关的分录：尚无付款、转账或打款，因此没有可证明的内容。
proof-pending = 证明尚未生成
    .detail = 相关分录已记入账本，但还没有已签名的树头覆盖它。树头每小时签名一次，请稍后再试。

## 订阅

subscription-state = 订阅当前状态不允许此操作
    .detail = 订阅状态为 { $state }，请重新加载以查看当前可执行的操作。
not-periodic = 该订阅没有周期
    .detail = 只有包周期的订阅才能续费或变更。
order-open = 还有未完成的订单
    .detail = 该订阅的订单 { $order } 尚未完成，请先支付或取消该订单。
change-not-upgrade = 变更后的价格必须更高
    .detail = 如需降低费用，请在下次续费时选择较小的 SKU。
change-target = 不能变更为该 SKU
    .detail = 请选择同一规格下的其他 SKU。
renewal-change-too-early = 尚未到可续费变更的时间
    .detail = 到期前 { $days } 天内续费时才能变更规格或数量。如需立即升配或扩容，请使用变更。
renewal-change-pending = 已有待生效的续费变更
    .detail = 已支付的续费变更尚未生效，请待其生效后再操作，或退订该续费订单。
seller-refuses = 商家不支持此项变更
    .detail = 商家系统返回：{ $verdict }。请选择其他规格或数量，或联系商家。
seller-unreachable = 商家系统无响应
    .detail = 暂时无法确认该变更是否可行：{ $verdict }。请稍后重试，订单尚未创建。
refund-window-over = 已超过退订期限
    .detail = 购买生效后 { $days } 天内可以退订。
refund-quota-used = 本年度退订次数已用完
    .detail = 本自然年的 { $max } 次自助退订已全部使用，请联系商家或运营人员。
not-refundable = 不支持退订
    .detail = 该订单不支持无理由退订，请联系商家或运营人员。
frozen-by-operator = 已被运营冻结
    .detail = 只有运营人员可以解冻，请向其了解原因。

## 交付与结算

delivery-state = 调用当前状态不允许此操作
    .detail = 调用状态为 { $state }，请重新加载以查看当前可执行的操作。
statement-state = 对账单当前状态不允许此操作
    .detail = 对账单状态为 { $state }，请重新加载以查看当前可执行的操作。
settlement-too-early = 尚未到该月的结算日
    .detail = 最早可于 { $earliest } 结算。

## 接口调试

debug-not-passed = 只有通过的调试才能保存为用例
    .detail = 请先修正发现的问题并重新发送，调试通过后再保存。
case-name-taken = 已有同名的调测用例
    .detail = 该生产地址下已有同名用例。请换一个名称，或先删除原有用例。

## 字段规则

rule-length = 长度须为 { $min } 至 { $max } 个字符
rule-range = 须在 { $min } 与 { $max } 之间
rule-required = 不能为空
rule-email = 须为电子邮箱地址，如 name@example.com
rule-phone = 须为电话号码：数字，国家代码前加 +
rule-url = 须为网址，如 https://example.com
rule-positive = 须大于零
rule-format = 含有不允许的字符或格式不正确
rule-days = 须在未来 1 至 { $max } 天之内
rule-wrong = 不正确
rule-count = 最多 { $max } 项
rule-unique = 不能重复
rule-unknown = 不是您可在此处使用的对象
rule-unchanged = 发布后不能更改
rule-retired = 已永久下架
rule-kept = 发布后不能删除，请改为下架
rule-charging-mode = 与该规格的计费模式不符
rule-not-returnable = 须为 none：按次购买的商品不可退订
rule-visible_ascii = 须为 { $min } 至 { $max } 个可见 ASCII 字符，不含空格
rule-bank_account = 须为由字母和数字组成的银行账号
rule-confirm = 须再次填写要永久下架的对象的 ID
rule-alone = 不能与另一种写法同时使用
rule-one-seller = 须属于同一商家，请按商家分别下单
rule-descending = 须从大到小排列且不重复，例如 15, 7, 3, 1
rule-ascending = 须从小到大排列：每一档的起点都要高于上一档
rule-date = 须为日期，例如 2026-10-01
rule-reduction = 不得使任何一档的减免超过费率本身
rule-same = 与当前值相同，请填写其他值
rule-too-large = 超出系统可处理的金额
rule-recorded = 已登记过，同一笔转账只能登记一次
rule-account = 没有这个账号，请核对
rule-month = 须为已结束的月份，例如 2026-01
rule-number = 须为整数
rule-steps = 每行须形如 500000: 1
rule-percent = 须为百分比，例如 5 或 5.25
rule-money = 须为金额，例如 1234.50，小数位数不得超过币种的位数
rule-compact_time = 须为 14 位的 UTC 时间，例如 20270101000000

## 状态

state-pending_payment = 待支付
state-pending_review = 待审核
state-processing = 处理中
state-completed = 已完成
state-cancelled = 已取消
state-failed = 失败
state-refunding = 退款中
state-refunded = 已退款
state-waiting = 等待中
state-done = 已完成
state-opening = 开通中
state-in_use = 使用中
state-frozen = 已冻结
state-released = 已释放
state-draft = 草稿
state-on_sale = 在售
state-hidden = 已隐藏
state-retired = 已下架
state-under_review = 审核中
state-withdrawn = 已撤回
state-applied = 待审核
state-exited = 已退出
state-approved = 已通过
state-rejected = 已驳回
state-all-editions-retired = 所有规格均已下架
state-queued = 排队中
state-polling = 轮询中
state-gave_up = 已放弃
state-payable = 待付款
state-carried = 结转下期
state-paid = 已付款

## 地址不可用的原因

reason-malformed = 不是完整的网址
reason-too-long = 地址过长
reason-scheme = 不允许使用该协议
reason-credentials = 地址中不得包含用户名或密码
reason-not-public = 不是公网地址

## 商家系统的响应

verdict-timed_out = 未在规定时间内返回完整响应
verdict-connect_failed = 无法建立连接
verdict-tls_failed = 无法建立可信的 TLS 连接
verdict-address_refused = 生产地址不允许调用
verdict-body_broken = 响应未传输完整
verdict-body_too_large = 响应过大
verdict-redirect = 返回了重定向
verdict-status = 返回的 HTTP 状态码不是 200
verdict-empty = 响应为空
verdict-not_utf8 = 响应不是 UTF-8 编码
verdict-html = 返回的是网页
verdict-not_json = 响应不是 JSON 对象
verdict-result_code_missing = 响应缺少结果码
verdict-result_code_not_text = 结果码不是文本
verdict-instance_id_missing = 响应缺少实例 ID
verdict-instance_id_too_long = 实例 ID 过长
verdict-instance_id_with_comma = 实例 ID 含有逗号
verdict-instance_id_with_control = 实例 ID 含有控制字符
verdict-done = 成功
verdict-pending = 已受理，稍后查询
verdict-answered = 返回了错误码
verdict-instance_taken = 实例已属于其他订单

## What cannot be read

unreadable-at = { $path }：{ $what }
unreadable-missing = 缺少 { $name }
unreadable-unknown = 没有这一项
unreadable-choice = “{ $given }”不在可选范围内，可选：{ $choices }
unreadable-kind = 须为{ $wanted }
unreadable-kind-number = 整数
unreadable-kind-flag = true 或 false
unreadable-kind-list = 列表
unreadable-kind-object = 对象
unreadable-kind-text = 文本
unreadable-value = 填写的值无法识别
unreadable-nul = 文本中含有字符 U+0000
unreadable-ended = 内容不完整
unreadable-json = 第 { $line } 行第 { $column } 列不是合法的 JSON
