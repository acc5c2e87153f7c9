# A message for every code: the value is its title, .detail says what happened and what to do.

## Every door

body-invalid = The request body cannot be read
    .detail = The body is not what this operation takes: { $detail }. Correct it and send it again.
body-too-large = The request body is too large
    .detail = At most { $max } bytes are taken. Send less.
field-invalid = A field breaks its rule
    .detail = The field { $field } breaks its rule ({ $rule }). Correct it and send it again.
parameter-invalid = A parameter is wrong
    .detail = The parameter { $field } is wrong: { $detail }. Correct it and send it again.
media-type-unsupported = The content type is not supported
    .detail = Send the body as JSON, with the header Content-Type: application/json.
not-found = Not found
    .detail = There is no such thing, or none that you may see. Check the address or the id.
method-not-allowed = This method is not allowed here
    .detail = The address exists, but not with this method. The Allow header names those it takes.
sign-in-needed = Please sign in
    .detail = Nobody is signed in. Sign in, and send the token in the Authorization header.
token-invalid = The sign-in is no longer good
    .detail = The token or session is unknown, has ended or was revoked. Sign in again.
role-missing = Your role does not allow this
    .detail = This needs the permission { $permission }. Ask an owner of your account for a role that has it.
scope-missing = The token does not allow this
    .detail = This token does not have the scope { $permission }. Create a token that has it.
session-needed = A token cannot do this
    .detail = What keeps a sign-in safe is changed only by somebody who has signed in. Sign in with your password, and send the session's token.
too-many-requests = Too many requests
    .detail = Wait { $seconds } seconds and try again.
version-stale = Somebody else changed this meanwhile
    .detail = Load it again, look at what changed, and repeat your change.
version-missing = The version is missing
    .detail = Two people may be editing this. Send the ETag that you last read in the If-Match header.
idempotency-conflict = The idempotency key was used for another request
    .detail = Use a new key for a new request; use the same key only to repeat the same one.
idempotency-key-missing = An idempotency key is needed
    .detail = Send the header Idempotency-Key with a value of your own for each act, so that repeating it does not do it twice.
idempotency-key-invalid = The idempotency key cannot be used
    .detail = A key has 1 to { $max } visible ASCII characters without spaces.
cursor-invalid = The paging cursor is not known
    .detail = Use the value of next from the page before, as it was, or begin without a cursor.
internal = Something went wrong on our side
    .detail = The fault has been logged. If it happens again, tell us the request id { $request_id }.
unavailable = Not available right now
    .detail = The marketplace cannot do this at the moment. Try again shortly; with the same idempotency key nothing happens twice.

## Money and time

currency-mix = Two currencies cannot be added up
    .detail = { $left } and { $right } cannot be part of one sum. Use one currency.
amount-too-large = The amount is too large
    .detail = The marketplace does not handle amounts of this size. Use a smaller amount or quantity.
amount-not-positive = The amount must be greater than zero
    .detail = Enter an amount greater than zero.
period-invalid = This period is not sold
    .detail = Choose a period of 1 to { $max_months } months in all.
clock-not-sandbox = This market's clock cannot be moved
    .detail = Only the clock of a sandbox market can be moved.
clock-backwards = The clock only moves forward
    .detail = Choose a time after the present market time.
clock-too-far = The clock does not go that far
    .detail = Choose a time up to { $latest }.
clock-busy = Somebody else is moving the clock
    .detail = Wait until they are done, then try again.

## Accounts

account-name-taken = The account name is taken
    .detail = Choose another account name.
login-taken = The sign-in name is taken
    .detail = Choose another sign-in name.
sign-in-wrong = The sign-in name or the password is wrong
    .detail = Check both and try again. After several wrong passwords the user is locked for a while.
sign-in-locked = Too many wrong passwords
    .detail = This user is locked for { $minutes } minutes. Try again then.
user-disabled = This user is disabled
    .detail = Ask an owner of your account to enable the user again.
password-weak = The password is too easy to guess
    .detail = Use at least { $min } characters, and none of the passwords that everybody uses.
last-owner = The account needs an owner
    .detail = Make somebody else an owner first.
already-seller = The account is a seller already
    .detail = There is nothing more to apply for. Use the seller's pages.
not-seller = The account is not a seller
    .detail = Apply to sell first, and wait for the approval.
too-many = The limit is reached
    .detail = An account can have at most { $max } of these. Remove one that is no longer used.
role-not-grantable = This role cannot be given
    .detail = Your kind of account does not have this role. Choose another.
operator-exists = There is an operator already
    .detail = A market has one operator account. Sign in with it and add users there.
seller-exited = The account has left as a seller
    .detail = It can apply to sell again from { $earliest } on.

## Catalogue

product-state = The product's state does not allow this
    .detail = The product is in the state { $state }. Load it again to see what can be done now.
product-incomplete = The product is not complete
    .detail = Still missing: { $missing }. Fill this in, then submit again.
not-on-sale = This is not on sale
    .detail = The product, edition or SKU cannot be bought (any more). Choose another.
price-missing = Not sold for this period
    .detail = This SKU has no price for the chosen period. Choose one that the product page offers.
quantity-invalid = The quantity is outside its bounds
    .detail = Choose a quantity from { $min } to { $max } in steps of { $step }.
address-refused = The production address is not allowed
    .detail = { $reason }. Use a public HTTPS address of your own server.
address-in-use = Still in use
    .detail = A product still uses this address or key. Point its editions elsewhere first.
review-decided = This was decided already
    .detail = Somebody has approved or rejected it. Load it again to see the decision.

## Orders and money

order-state = The order's state does not allow this
    .detail = The order is in the state { $state }. Load it again to see what can be done now.
balance-too-low = The balance is too low
    .detail = The balance is { $balance }, and { $needed } is needed. Have a deposit recorded, then pay again.
price-changed = The price has changed
    .detail = It was quoted at { $quoted } and is now { $current }. Look at the new price and order again.
own-product = This is your own product
    .detail = A seller cannot buy its own product. Use another account.
deposit-duplicate = This transfer was recorded already
    .detail = A deposit with this bank reference exists. Check the reference on the bank statement.

## Proofs

nothing-posted = Nothing was posted for this
    .detail = The ledger holds no entry for this: nothing was paid, moved or paid out. There is nothing to prove.
proof-pending = There is no proof yet
    .detail = What was posted for this is in the ledger, but no signed head covers it yet. One is signed every hour; try again then.

## Subscriptions

subscription-state = The subscription's state does not allow this
    .detail = The subscription is in the state { $state }. Load it again to see what can be done now.
not-periodic = This has no period
    .detail = Only subscriptions with a period can be renewed or changed.
order-open = Another order is still open
    .detail = The order { $order } of this subscription is not finished. Pay or cancel it first.
change-not-upgrade = A change must raise the price
    .detail = To pay less, choose the smaller SKU at the next renewal.
change-target = The subscription cannot change to this
    .detail = Choose another SKU of the same edition.
renewal-change-too-early = Too early to change at renewal
    .detail = A renewal can change the SKU or the quantity in the last { $days } days before the end. To get more now, order a change instead.
renewal-change-pending = A change is already paid for
    .detail = A renewal with a change has been paid for and has not begun. Wait until it begins, or return that renewal.
seller-refuses = The seller does not allow this change
    .detail = The seller's server said no: { $verdict }. Choose another SKU or quantity, or ask the seller.
seller-unreachable = The seller's server does not answer
    .detail = Whether this change is possible could not be asked: { $verdict }. Try again later; nothing was ordered.
refund-window-over = The refund window is over
    .detail = A purchase can be returned within { $days } days after it took effect.
refund-quota-used = No refunds are left this year
    .detail = All { $max } self-service refunds of this calendar year are used. Ask the seller or the operator.
not-refundable = This cannot be refunded
    .detail = This order has no refund without a reason. Ask the seller or the operator.
frozen-by-operator = Frozen by the operator
    .detail = Only the operator can lift this. Ask them for the reason.

## Delivery and settlement

delivery-state = The call's state does not allow this
    .detail = The call is in the state { $state }. Load it again to see what can be done now.
statement-state = The statement's state does not allow this
    .detail = The statement is in the state { $state }. Load it again to see what can be done now.
settlement-too-early = It is too early to settle this month
    .detail = It can be settled from { $earliest } on.

## Debugging

debug-not-passed = Only what passed can be kept as a test case
    .detail = Put right what was found, send the request again, and save the try that passes.
case-name-taken = There is a test case of this name already
    .detail = The production address has a test case of this name. Choose another name, or delete the old one first.

## Rules of fields

rule-length = must have { $min } to { $max } characters
rule-range = must be between { $min } and { $max }
rule-required = must not be empty
rule-email = must be an e-mail address such as name@example.com
rule-phone = must be a phone number: digits, with + in front of a country code
rule-url = must be a web address such as https://example.com
rule-positive = must be greater than zero
rule-format = has characters or a form that is not allowed here
rule-days = must lie 1 to { $max } days ahead
rule-wrong = is not right
rule-count = must have at most { $max } entries
rule-unique = must not be there twice
rule-unknown = names nothing that you may use here
rule-unchanged = cannot be changed once it was published
rule-retired = was retired for good
rule-kept = must not be left out once it was published; retire it instead
rule-charging-mode = does not fit the way the edition is charged
rule-not-returnable = must be none: what is sold once cannot be returned
rule-visible_ascii = must have { $min } to { $max } visible ASCII characters without spaces
rule-bank_account = must be a bank account number of letters and digits
rule-confirm = must repeat the id of what is to be retired for good
rule-alone = must not be sent together with the other way to say it
rule-one-seller = must all be of one seller; place an order for each seller
rule-descending = must go down, each number once, such as 15, 7, 3, 1
rule-ascending = must go up: each step begins at a larger sum than the one before
rule-date = must be dates such as 2026-10-01
rule-reduction = must leave no reduction larger than the fee itself
rule-same = is what holds already; choose another value
rule-too-large = is more than the market handles
rule-recorded = was recorded already; the same transfer is recorded once
rule-account = names no account; check the spelling
rule-month = must be a month that is over, such as 2026-01
rule-number = must be a whole number
rule-steps = must be lines such as 500000: 1
rule-percent = must be a percentage such as 5 or 5.25
rule-money = must be a sum such as 1234.50, with no more decimals than the currency has
rule-compact_time = must be a UTC time of 14 digits such as 20270101000000

## Words for states

state-pending_payment = awaiting payment
state-pending_review = awaiting review
state-processing = processing
state-completed = completed
state-cancelled = cancelled
state-failed = failed
state-refunding = being refunded
state-refunded = refunded
state-waiting = waiting
state-done = done
state-opening = opening
state-in_use = in use
state-frozen = frozen
state-released = released
state-draft = draft
state-on_sale = on sale
state-hidden = hidden
state-retired = retired
state-under_review = under review
state-withdrawn = withdrawn
state-applied = awaiting review
state-exited = left
state-approved = approved
state-rejected = rejected
state-all-editions-retired = without an edition that is sold
state-queued = queued
state-polling = asked again
state-gave_up = given up
state-payable = payable
state-carried = carried over
state-paid = paid

## Why an address is refused

reason-malformed = It is not a complete web address
reason-too-long = It is too long
reason-scheme = Its scheme is not allowed
reason-credentials = It has a user name or a password in it
reason-not-public = It is not in the public Internet

## What a seller's server did

verdict-timed_out = no complete answer in time
verdict-connect_failed = no connection
verdict-tls_failed = no trusted TLS connection
verdict-address_refused = its address may not be called
verdict-body_broken = the answer ended early
verdict-body_too_large = the answer is too large
verdict-redirect = it answered with a redirect
verdict-status = it answered with another HTTP status than 200
verdict-empty = its answer is empty
verdict-not_utf8 = its answer is not UTF-8
verdict-html = it answered with a web page
verdict-not_json = its answer is not a JSON object
verdict-result_code_missing = its answer has no result code
verdict-result_code_not_text = its result code is not text
verdict-instance_id_missing = its answer has no instance id
verdict-instance_id_too_long = its instance id is too long
verdict-instance_id_with_comma = its instance id has a comma
verdict-instance_id_with_control = its instance id has a control character
verdict-done = done
verdict-pending = begun, asked again
verdict-answered = it answered with a code
verdict-instance_taken = its instance belongs to another order

## What cannot be read

unreadable-at = { $path }: { $what }
unreadable-missing = { $name } is missing
unreadable-unknown = there is no such member
unreadable-choice = "{ $given }" is not one of { $choices }
unreadable-kind = must be { $wanted }
unreadable-kind-number = a whole number
unreadable-kind-flag = true or false
unreadable-kind-list = a list
unreadable-kind-object = an object
unreadable-kind-text = a text
unreadable-value = the value cannot be read
unreadable-nul = a text has the character U+0000
unreadable-ended = it ends too early
unreadable-json = not JSON at line { $line }, column { $column }
