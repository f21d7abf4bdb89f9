# Errors: the sentence, and what to type or do. Ids are those of the registry in `model::errors`.
e0001 = unknown `{ $word }`; did you mean `{ $near }`?
e0001-fix = `pumasi help`
e0002 = `{ $field }` cannot be `{ $value }`: { $why }
e0002-fix = `pumasi help { $verb }`
e0003 = config key `{ $key }` is unknown; did you mean `{ $near }`?
e0003-fix = `pumasi config check`
e0004 = config file { $path } cannot be read: { $why }
e0004-fix = `pumasi config edit`
e0005 = this needs a confirmation and there is no terminal
e0005-fix = add `--yes` or `--max-credits N`
e0006 = another pumasi uses { $path }
e0006-fix = `pumasi status`
e0007 = { $path } has { $free } free, { $need } are needed
e0007-fix = `pumasi config set dirs.staging PATH`
e0008 = this program speaks version { $have }, the cloud needs { $need }
e0008-fix = `pumasi update`
e0009 = no answer within { $wait } from { $who }
e0009-fix = `--timeout`, `pumasi doctor`
e0010 = { $ok } of { $all } done, { $failed } failed
e0010-fix = run again; it resumes
e0011 = this clock differs by { $skew } from the center's
e0011-fix = `pumasi doctor --fix`
e0012 = the cloud is read-only: { $why }
e0012-fix = `pumasi cloud show`
e0013 = { $what } is { $size }, the limit is { $limit }
e0013-fix = as printed
e0014 = too many requests; again in { $wait }
e0014-fix = wait; retries honor Retry-After
e0015 = request id { $id } was used with another body
e0015-fix = use a new id
e0101 = this machine has joined no cloud
e0101-fix = `pumasi join TICKET` or `pumasi init`
e0102 = the ticket is damaged (checksum)
e0102-fix = copy it again
e0103 = the ticket expired { $when }
e0103-fix = ask for `pumasi invite`
e0104 = the ticket has been used { $n } of { $n } times
e0104-fix = ask for `pumasi invite`
e0105 = { $addr } shows another key than the one pinned at join
e0105-fix = stop; compare `pumasi cloud show --keys`
e0106 = { $who } may not { $verb } { $thing }
e0106-fix = `pumasi grant show`
e0107 = sign in first
e0107-fix = `pumasi open`
e0108 = the grant expired { $when }
e0108-fix = ask for a new grant
e0109 = the grant was revoked { $when }
e0109-fix = ask its giver
e0110 = this device was removed { $when }
e0110-fix = `pumasi device approve` on another
e0111 = the key of `{ $bucket }` is not on this device
e0111-fix = `pumasi device add` on a machine that has it, or `pumasi recovery restore`
e0112 = this key cannot open `{ $bucket }`
e0112-fix = `pumasi cloud use NAME`
e0113 = confirm your recovery phrase before storing more than { $limit }
e0113-fix = `pumasi recovery check`
e0114 = member { $who } is frozen: { $why }
e0114-fix = `pumasi member card { $who }`
e0115 = request from `{ $value }` refused
e0115-fix = `pumasi open`
e0116 = the signature on { $thing } does not verify
e0116-fix = `pumasi doctor`
e0117 = the permit for { $op } is not valid: { $name }
e0117-fix = none; a new permit is asked for at once
e0118 = device { $id } signed two different entries numbered { $seq }: it was copied or rolled back
e0118-fix = `pumasi device rm { $id }`, then approve it anew
e0119 = { $thing } is not bound to this key; it may open to something else under another
e0119-fix = do not trust it; ask its sender again
e0120 = the key derivation asked for ({ $have }) is weaker than the floor ({ $need })
e0120-fix = `pumasi doctor`; tell the operator
e0201 = the agent is not running
e0201-fix = `pumasi agent start`
e0202 = this machine is not lending: { $why }
e0202-fix = `pumasi up`
e0203 = no node `{ $id }`
e0203-fix = `pumasi node list`
e0204 = node { $id } is offline since { $when }
e0204-fix = `pumasi node show { $id }`
e0205 = { $used } are in use, the new limit is { $limit }
e0205-fix = `pumasi lend set disk={ $used }` or `--drain`
e0206 = the service could not be installed: { $why }
e0206-fix = `pumasi agent run`
e0207 = node { $id } is quarantined since { $when }: { $why }
e0207-fix = `pumasi node show { $id }`
e0208 = plan generation { $have } is older than { $need }
e0208-fix = none; heals at next check-in
e0209 = this cloud's cell is full; { $other } has room
e0209-fix = ask for a ticket of { $other }
e0210 = this owner may not join: { $why }
e0210-fix = write to the operator
e0211 = no way to the center: { $tried }
e0211-fix = `pumasi doctor`
e0212 = { $path } is not the disk that holds this machine's pieces
e0212-fix = bring the disk back and start again; the cloud waits 72 h for it. Is it lost for good? `rm { $file }`, then start
e0301 = no bucket `{ $bucket }`; did you mean `{ $near }`?
e0301-fix = `pumasi bucket list`
e0302 = bucket `{ $bucket }` exists
e0302-fix = choose another name
e0303 = bucket `{ $bucket }` holds { $n } objects
e0303-fix = `pumasi rm -r my:{ $bucket }/`
e0304 = no object `{ $key }`
e0304-fix = `pumasi ls`
e0305 = { $key } changed since { $etag }
e0305-fix = read again, then write
e0306 = class `{ $class }` needs { $need } nodes online; { $live } live, { $fit } suitable
e0306-fix = `--class eco` or `--wait`
e0307 = { $have } of { $need } pieces reachable; likely again { $when }
e0307-fix = `--wait`
e0308 = { $key } failed its integrity check; { $n } pieces were wrong
e0308-fix = retry reads other holders; `pumasi stat -v`
e0309 = { $key } was encoded wrongly when written
e0309-fix = upload again
e0310 = `{ $name }` is not a valid name: { $why }
e0310-fix = `pumasi help names`
e0311 = bucket `{ $bucket }` is limited to { $limit }
e0311-fix = `pumasi bucket set`
e0312 = this version is kept until { $when }
e0312-fix = wait
e0313 = mounting is not available: { $why }
e0313-fix = use WebDAV `127.0.0.1:7781`
e0314 = range { $range } is outside { $size }
e0314-fix = `pumasi stat`
e0315 = the write lease on { $pg } has ended
e0315-fix = none; the writer takes another PG
e0316 = a piece of { $segment } does not match its committed root
e0316-fix = none; the piece is refused and its sender recorded
e0317 = class `{ $class }` needs { $need } always-on members, there are { $have }
e0317-fix = `--class eco`, or add stewards
e0318 = no such upload: { $why }
e0318-fix = `pumasi upload list`
e0401 = no node can run { $job }: { $cause }
e0401-fix = `pumasi job wait { $job } --capacity`
e0402 = the module is not valid: { $why }
e0402-fix = rebuild it
e0403 = the module asks for `{ $name }`, which the sandbox does not offer
e0403-fix = `pumasi explain E0403`
e0404 = a task is estimated at { $t }; over { $limit } it must run in steps
e0404-fix = split the input
e0405 = task { $task } ended with { $status } on { $n } nodes
e0405-fix = `pumasi job logs { $job }`
e0406 = task { $task } grew past { $limit } memory
e0406-fix = `--memory`
e0407 = { $n } nodes disagree on { $task } and no quorum was reached
e0407-fix = `pumasi job retry { $job } --check strict`
e0408 = no job `{ $id }`
e0408-fix = `pumasi job list`
e0409 = job { $id } is { $state }
e0409-fix = `pumasi job show { $id }`
e0410 = job { $id } stopped at its limit of { $limit }
e0410-fix = `pumasi job retry { $id } --max-credits N`
e0411 = non-deterministic work runs only on self or circle
e0411-fix = `--trust circle`
e0412 = service { $name }: 0 of { $n } replicas healthy
e0412-fix = `pumasi service logs { $name }`
e0413 = no input matches `{ $prefix }`
e0413-fix = `pumasi ls`
e0414 = engine { $have } is older than the cloud's floor { $need }
e0414-fix = `pumasi update`
e0415 = check `{ $check }` needs { $need } independent owners in { $region }, there are { $have }
e0415-fix = widen the region or lower `check`
e0501 = { $host } publishes no consent for this account
e0501-fix = `pumasi load verify-target { $host }`
e0502 = { $host } withdrew its consent at { $when }
e0502-fix = ask the target's owner
e0503 = { $host } resolves to a private address
e0503-fix = name a public host, or list it as own target (`pumasi explain E0503`)
e0504 = the plan asks { $rps }/s, consent allows { $max }/s
e0504-fix = lower `stages`
e0505 = scenario line { $line }: { $why }
e0505-fix = `pumasi load lint`
e0506 = { $region } has { $have } willing nodes, { $need } are needed
e0506-fix = widen the region
e0507 = another run is on { $host }
e0507-fix = `pumasi load list`
e0508 = { $expr } failed: { $value }
e0508-fix = `pumasi load report`
e0509 = generators were saturated for { $percent } of the run
e0509-fix = add nodes
e0510 = stopped by { $brake }: { $why }
e0510-fix = `pumasi load report`
e0511 = { $host } now resolves outside the { $n } addresses pinned for this run
e0511-fix = `pumasi load verify-target { $host }`
e0512 = the plan asks this node for { $what }, its ceiling is { $max }
e0512-fix = lower `stages` or add nodes
e0601 = { $need } needed, { $have } available ({ $held } held)
e0601-fix = lend more, or `pumasi wallet limit`
e0602 = the credit limit is reached; reads go on, writes wait
e0602-fix = `pumasi wallet show`
e0603 = the price moved from { $old } to { $new } since the quote
e0603-fix = repeat
e0604 = transfer { $id } exists with other content
e0604-fix = use a new id
e0605 = receipt { $serial } exceeds or lacks its permit
e0605-fix = `pumasi ledger verify`
e0606 = hold { $id } is { $state }
e0606-fix = `pumasi wallet show`
e0607 = transfer id { $id } is from { $when }, outside the window
e0607-fix = use a new id; check the clock
e0608 = no account `{ $id }`
e0608-fix = `pumasi member list`
e0609 = price row { $row }: uses { $uses }, sources { $sources }
e0609-fix = correct the row; the old version stays
e0610 = settlement window { $window } is closed
e0610-fix = `pumasi wallet statement`
e0611 = the ledger takes nothing, its check failed: { $why }
e0611-fix = reads go on; the operator keeps the database and looks
e0612 = the book does not add up: { $why }
e0612-fix = keep the file and what it came from; the operator compares it with the last good one
e0613 = it would cost { $need } credits, more than the { $most } allowed
e0613-fix = raise --max-credits, or do less; what things cost: pumasi wallet quote
e0701 = no bounty `{ $id }`
e0701-fix = `pumasi bounty list`
e0702 = bounty { $id } is { $state }
e0702-fix = `pumasi bounty show { $id }`
e0703 = all { $n } places are claimed
e0703-fix = watch it: `pumasi bounty show { $id } --watch`
e0704 = the claim ended { $when }: { $why }
e0704-fix = claim again
e0705 = this bounty asks for { $qual }
e0705-fix = `pumasi bounty show { $id }`
e0706 = a requester cannot claim or judge their own bounty
e0706-fix = another member does it
e0707 = a rejection names the criterion that failed
e0707-fix = `--criterion N --reason …`
e0708 = review time ended { $when }; the submission was accepted
e0708-fix = `pumasi wallet statement`
e0709 = shares add up to { $sum }, not 10,000
e0709-fix = `--share WHO=BPS`
e0710 = too many rejections; a panel reviews { $n } of them
e0710-fix = wait for the panel
e0711 = { $who } has not signed the shares
e0711-fix = `pumasi bounty share --sign`
e0712 = both revisions are used; accept, or reject with a reason
e0712-fix = `pumasi bounty accept` / `reject`
e0713 = the bounty's { $resource } budget is spent
e0713-fix = `pumasi bounty edit --budget`
e0801 = no answer from the center: direct { $n } tries, relay { $m }; last seen { $when }
e0801-fix = `pumasi doctor`
e0802 = { $node } cannot be reached, directly or by relay
e0802-fix = retry; other holders are tried first
e0803 = the relay is at its limit
e0803-fix = `pumasi node list --relay`
e0804 = the center cannot write its database: { $why }
e0804-fix = `pumasi center check`
e0805 = the backup does not verify: { $why }
e0805-fix = use an older one
e0806 = port { $port } is in use
e0806-fix = `pumasi config set { $key } …`
e0807 = the release is not signed by the pinned keys
e0807-fix = do not install
e0808 = the center shows an older state than this device has seen
e0808-fix = `pumasi cloud show --log`; tell the operator
e0809 = the center signed two different logs of size { $n }; both are kept, writing has stopped
e0809-fix = `pumasi cloud show --log`; tell the operator and other members
e0810 = the center's copy of { $field } differs from the signed manifest of { $key }
e0810-fix = `pumasi doctor --bundle`; tell the operator
e0811 = `{ $bucket }` is offered in format { $have }; format { $need } was seen before
e0811-fix = tell the operator
e0901 = internal error; report at { $path }
e0901-fix = attach the report
e0902 = this build has no { $feature }
e0902-fix = another build
# Warnings: same form as errors, the command goes on
w0201 = UDP is blocked here; everything goes over the relay
w0201-fix = let UDP out at the router or firewall, then `pumasi doctor`
w0202 = this machine gives no idle signal and is treated as in use
w0202-fix = a machine nobody sits at: `pumasi lend set profile=always`
w0203 = this machine runs on battery and lends nothing until it is plugged in
w0203-fix = plug it in
w0204 = the key of this device lies in a file, as no key store of the system was found: { $path }
w0204-fix = keep this folder to yourself; set up the system's key store, then `pumasi doctor`
w0301 = class `{ $class }` wants { $want } spare nodes, there are { $have }
w0301-fix = invite more nodes: `pumasi invite`; or `--class eco`
w0601 = at this pace the credits last { $span }
w0601-fix = lend more, or `pumasi wallet show`
w0801 = the center was last seen { $span } ago; what is shown may be old
w0801-fix = `pumasi doctor`

# Words
word-error = error
word-cause = cause:
word-fix = fix:  
word-more = more: 
word-unknown = unknown
word-ago = { $span } ago
word-yes = yes
word-no = no
word-not-asked = not asked for
explain-head = { $id } ({ $code }), exit code { $exit }, HTTP { $http }
e0102-explain = A ticket carries a checksum over all its letters. One letter is missing, added or changed: chats sometimes cut long lines. Copy the whole line again, from `pumasi1` to its end.
e0104-explain = A ticket may be used as often as its maker said, once by default. The machine that used it may repeat the join; another one needs its own ticket.
e0002-explain = The value was read but is not allowed here: too large, too small, of another form, or meant for another field. Nothing was changed. The sentence names the field, the value and the reason; correct that one value and repeat. `--help` after the command says what it takes.
e0006-explain = One home folder serves one cloud, one agent and one center, so that no two programs write the same files. Either another program holds the folder now, or it belongs to a cloud already; the cause says which. A lock ends with its process, so there is nothing to delete by hand. See `pumasi status`; end it with `pumasi agent stop` or `pumasi leave`, or use another folder by setting `PUMASI_HOME`.
e0008-explain = Programs of a cloud speak a numbered protocol, and the center says which number is the oldest it understands; a newer file or database is refused in the same way by an older program. Nothing was changed, and your key and your pieces stay as they are. Install the release your cloud uses; its operator knows which.
e0009-explain = The other side did not answer within the time allowed. It may have done what was asked all the same, so look before you repeat. Allow more with `--timeout 60s`; if it happens again, `pumasi doctor` shows whether the network, the clock or the center is the reason.
e0011-explain = The center compares this machine's clock with its own, as tickets and other rights have an end. A clock far off makes a good ticket look expired and an expired one look good, so it is refused. Let the system set its time by itself, then repeat; `pumasi doctor` shows the difference.
e0101-explain = A machine belongs to a cloud once it has joined one; this folder holds no such record yet. If you were given a ticket: `pumasi join TICKET`. To start a cloud of your own: `pumasi init`. If it had joined before, look whether `PUMASI_HOME` points to another folder than it did then.
e0103-explain = A ticket lives as long as its maker said, 24 h by default, so that a forgotten message does not stay an open door. Nothing was joined. Ask for a new one; its maker types `pumasi invite`, or with `--expires 7d` for a longer one. If the time shown looks wrong, check this machine's clock with `pumasi doctor`.
e0105-explain = The key of the center came to this machine inside the ticket and is kept since. What answers at this address proves another key: it is another center, a new one set up at the old address, or somebody in between. Nothing was sent to it. Ask the operator by another way, such as the phone, whether the center was set up anew; only then leave and join again with a new ticket.
e0106-explain = Every act needs a role: lend, use or operator. Roles come from the ticket you joined with, and this act asks for one you do not have. Nothing was changed. `pumasi member list` shows who may do what; ask an operator to do it, or for a ticket with that role.
e0201-explain = Lending and the commands about this machine are the work of the agent, a program that goes on running. It has been stopped, has ended, or did not come back after a reboot because no service is installed. Start it with `pumasi agent start`; `pumasi agent logs` shows why it ended, and `pumasi agent install` brings it back after every reboot.
e0202-explain = This machine refuses work because its owner's limits say so, or because its agent is about to stop. This is no fault and costs no trust. `pumasi status` says why and since when; `pumasi up` or `pumasi resume` lends again.
e0203-explain = The center knows no node by this name, number or beginning of an id. A node is listed from its first join on; a beginning that fits several nodes names none of them. `pumasi node list` shows them all.
e0206-explain = The agent is to come back after a reboot as a service of your user, and the system did not take it; the reason is in the sentence. Joining is not undone, and no data is lost. Run the agent with `pumasi agent run` in a terminal, or `pumasi up` after each reboot; a system without user services works this way always.
e0207-explain = A node in quarantine gets no new work, while its pieces may still be read. An operator put it there by hand, or its key was seen on two machines at once. If it is yours, read the reason with `pumasi node show`, stop any copy of this machine, and ask the operator to type `pumasi node release`.
e0208-explain = The center numbers the plans it gives a node, and a number never goes back. This one is older than what the node has already: it was delayed on its way, or the center was restored from an old backup. The node keeps the newer plan, and the next check-in brings both together. If it comes up for hours, tell the operator.
e0211-explain = Every way to the center was tried: its addresses directly, and its relay. This machine may be offline, a firewall may block UDP and the relay's port, or the center may be down. What is lent stays within your limits, and the agent keeps trying by itself. `pumasi doctor` shows how far it gets.
e0212-explain = Beside its pieces an agent keeps a mark, and a copy of it in its home. They differ: the disk or folder with the pieces is not there, or is another one. An empty store in its place would tell the cloud that every piece is lost. Nothing is lost yet: pieces count for 72 h more at least.
e0306-explain = Each class spreads the pieces of an object over many nodes, so that the loss of some does no harm. There are fewer suitable nodes on than the class asks for: they must be on, lend space and pass the checks of storage. Nothing was stored half. Wait until more are on, or invite more; `pumasi node list` shows who is on, `pumasi node show` why one may not store.
e0307-explain = An object can be read as soon as enough of its pieces are reachable, no matter which. Fewer are reachable now because their nodes are off; this says neither that the object is missing nor that it is damaged. Repeat when more nodes are on.
e0801-explain = The center did not answer, neither directly nor over the relay; the sentence counts the tries. It may be down, or this machine may have no network. Lending goes on within your limits without it, and the agent tries again by itself. `pumasi doctor` shows where it ends; if others see the same, tell the operator.
e0804-explain = The center records every change before it says yes, and its database took no write: the disk is full or read-only, its rights changed, or the database server is away. What was answered before is safe; what was asked now did not happen. The operator looks at the cause, frees space or restores access, and runs `pumasi center check`.

# Columns
column-id = id
column-name = name
column-roles = may
column-uses = used
column-until = until
column-state = state
column-nodes = nodes
column-joined = joined
column-region = region
column-presence = presence
column-does = does
column-tier = tier
column-lent = lends
column-nat = NAT
column-seen = seen
column-owner = owner
column-integrity = integrity
column-audits = audits
rank = { $tier } for { $span }; { $why }
rank-no-room = the fill test needs a piece of 8 MiB in half of what is lent: lend more
rank-filling = fill test: { $stored } of { $wanted } stored ({ $percent } %)
rank-standing = fill test: all is stored, for { $stood } of { $wanted }; { $audits } of { $of } audits passed; then T1
rank-failed = fill test: its data was not kept, { $tries } times; it is sent again from { $until } on
rank-probation = T2 after { $wanted } and { $of } audits passed: { $time } and { $audits } so far
rank-put-back = it lost pieces; T2 again after { $wanted } and { $of } audits passed: { $time } and { $audits } so far
rank-accepts = (until then it accepts { $size } of others' data)
rank-member = membership is the vetting; T3 by uptime after { $span }
rank-vetted = vetted; T3 by uptime after { $span }
rank-steward = a steward by its uptime
node-audits-none = none yet
node-audits = { $proved } slices proved, { $gone } gone, { $wrong } wrong, { $silent } audits not answered; last { $span } ago
column-availability = availability
node-availability = on { $share } of a week's hours; being off costs no score
score-piece = slot { $slot } of group { $pg } (segment { $segment }…)
score-more = { $n } more
score-good = Score { $score }: good. Its owner is told below { $warn }; below { $ban } it gets no new work ({ $bad } bad samples in a row from here).
score-near = Score { $score }: { $bad } more bad samples and it is below { $ban }, where it gets no new work. { $good } good samples bring it back to { $warn }.
score-low = Score { $score }: below { $ban }, it gets no new work. { $good } good samples bring it back to { $warn }; the operator can let it work again.
score-see = Why, and what helps: pumasi node show { $node }
score-reason-audit_gone = { $at }: { $bad } samples bad: pieces it should hold are gone: { $pieces }; score { $before } → { $after }
score-reason-audit_silent = { $at }: { $bad } samples bad: on, and four times without an answer about { $pieces }; score { $before } → { $after }
score-reason-audit_wrong = { $at }: { $bad } samples bad: wrong bytes with its own signature: { $pieces }; score { $before } → { $after }
score-reason-audit_false = { $at }: { $bad } samples bad: it called an audit good that was not; score { $before } → { $after }
score-reason-not_cured = { $at }: { $bad } samples bad: its disk was gone for longer than the time to bring it back; score { $before } → { $after }
score-remedy-audit_gone = Pieces gone: look at the disk that holds them (`smartctl -H`, `dmesg`), and whether something deletes files in the folder of pieces. What the PC finds itself and tells first costs no score.
score-remedy-audit_silent = No answers: look at `pumasi doctor` and `pumasi agent logs`, at the line and at how busy the disk is. A PC that is off is not asked.
score-remedy-audit_wrong = Wrong bytes: look at memory and disk (`memtester`, `smartctl -H`) before anything else, then ask the operator to look at { $node }; a second proof ends its part in this cloud.
score-remedy-audit_false = False audits: bring the program up to date (`pumasi --version`); if it goes on, ask the operator to look at { $node }.
score-remedy-not_cured = A disk that was gone: bring it back within its time next time, or `pumasi leave` first; new pieces come by themselves.
column-up = up
column-down = down
column-fsync = fsync p50 / p99
column-clock = clock off by
column-quarantine = quarantined because
column-capabilities = may carry
column-missing-after = missing when away for

# Tickets and invites
invite-note = good for { $uses } use(s) until { $until }; whoever has it may join, so send it to the right person
invite-next = next: your friend types  pumasi join { $ticket }
ticket-state-open = open
ticket-state-used = used up
ticket-state-expired = expired
ticket-state-revoked = revoked
ticket-revoked = ticket { $id } is ended

# Nodes
node-quarantined = { $node } gets no new work until: pumasi node release { $node }
node-released = { $node } is back at work
node-renamed = { $node } is now called { $name }
node-does-quarantined = quarantined: no new work
node-region-refuted = unknown ({ $region } was declared and refuted by round trips)
presence-on = on
presence-suspect = suspect
presence-away = away
presence-missing = missing
presence-holiday = on holiday
presence-left = left
presence-unknown = not heard yet
state-run = lending
state-limit = lending less
state-pause = paused
state-evict = paused, memory returned
state-off = lending nothing
reason-none = nothing in the way
reason-input = its owner uses it
reason-app = a listed program runs
reason-full_screen = full screen
reason-battery = on battery
reason-metered = metered network
reason-pressure = other programs need it
reason-thermal = too hot
reason-owner = paused by its owner
reason-schedule = outside its hours
reason-no_signal = no idle signal, treated as in use
reason-down = its owner said down
reason-finishing = finishing what runs
reason-fault = a fault it can cure
evidence-unknown = unknown
evidence-geoip = by address
evidence-declared = declared
evidence-measured = measured
capability-store = store
capability-steward = steward
capability-relay = relay
capability-batch = batch
capability-long = long tasks
capability-shuffle = shuffle
capability-service = service
capability-load = load
# Why a node may not carry a duty: keys of `Lack::key` with what was measured and what is needed
lack-accept = its owner has not said yes to it
lack-lent = lends { $have }, needed { $need }
lack-scratch = scratch space { $have }, needed { $need }
lack-up = upload { $have }, needed { $need }
lack-down = download { $have }, needed { $need }
lack-nat = NAT is { $have ->
    [open] open
    [easy] easy
    [hard] hard
    [relay_only] relay only
   *[unknown] not known yet
}, needed { $need ->
    [open] open
    [easy] easy or open
   *[hard] hard, easy or open
}
lack-mean_on = on { $have } of the week, needed { $need }
lack-fsync = a durable write takes { $have } (p99), needed { $need }
lack-tier = tier { $have }, needed { $need }
lack-memory = memory { $have }, needed { $need }
lack-reference = { $have ->
    [failed] the reference guest gave a wrong answer here
   *[unknown] the reference guest has not run here
}
lack-session_age = on without a gap for { $have }, needed { $need }
lack-jitter = jitter { $have }, needed { $need }
lack-loss = lost packets { $have }, needed { $need }
lack-clock = clock off by { $have }, needed { $need }
lack-region = its region is { $have ->
    [geoip] known by its address only
   *[unknown] not known
}; declare it when joining (--region), or let round trips show it
nat-open = open
nat-easy = easy
nat-hard = hard
nat-relay_only = relay only
nat-unknown = unknown
link-direct = direct
link-relay = relay

# Status
status-lending = Lending { $cores } cores, { $disk } of disk, at most { $up } up.
status-lending-limited = Lending less ({ $cores } cores, { $disk } of disk, at most { $up } up): { $reason } since { $since }. It returns to its full share by itself.
status-storage-only = Lending { $disk } of storage only: { $reason } since { $since }. To lend cores on a machine without a screen: pumasi lend set profile=always
status-paused = Not lending: { $reason } since { $since }. Lend anyway: pumasi resume
status-off = Not lending: { $reason } since { $since }. Lend: pumasi up
status-duplicate = Not lending: another running program uses this machine's key. Stop the copy, or leave and join it anew.
status-quarantined = No new work: the operator has quarantined this node. See: pumasi node show
status-agent-down = Not lending: the agent of this machine is not running ({ $cloud }). Start it: pumasi up
status-cloud = { $name } in { $cloud }, profile { $profile }
status-center = center: { $link }, last check-in { $span } ago
status-center-first = center: { $link }, first check-in under way
status-center-lost = center: not reached, trying again; your limits hold all the same
status-storage = storage: { $used } of { $disk } used by { $pieces } pieces
status-over = { $over } more than is lent lies here: nothing new is taken, and slots are handed over to others one by one, { $moving } on their way now
status-blind = no signal from: { $sensors } (treated as in use)
status-ledger-forked = The center shows another book than the one seen on { $day }: tell its operator, and other members. Kept roots: pumasi ledger roots
status-settle-refused = What was served in the six hours from { $when } was not settled: { $why }
status-lend-error = your lending file is not in force, the last good one is: { $why }

# Agent and its owner
agent-installed = service { $service } is installed and running
agent-uninstalled = the service is removed
agent-not-installed = no service is installed
agent-runs-already = the agent is running already
agent-started = the agent runs; its log: { $log }
agent-stopped = the agent has stopped
agent-up = agent of { $name } in { $cloud } runs; Ctrl-C ends it
told-up = { $state } ({ $reason })
told-down = { $state } until: pumasi up
told-pause = { $state } ({ $reason }). End it: pumasi resume
told-resume = { $state } ({ $reason })
told-finish = { $state } ({ $reason }). Lend again: pumasi resume
told-holiday = on holiday until { $until }; no penalty
leave-drains = leaving { $cloud }: { $pieces } pieces of others are handed over first. Ctrl-C does not stop that; `pumasi leave` shows it again, `pumasi leave --stay` ends it
leave-left = to be handed over: { $moving } slots are on their way, { $waiting } wait for somebody
leave-nobody = { $waiting } slots could be taken over by nobody: their pieces are made anew from the others
leave-stays = this machine stays in { $cloud }
leave-cost = leaving { $cloud }: { $pieces } pieces of others held here count as missing from now on
leave-spool = files of a mount that are not uploaded yet: { $n }; without this machine's key nobody can read them. pumasi mount uploads them first
leave-confirm = Leave and erase key and data of this machine? [Y/n]
leave-untold = the center was not told ({ $why }); it will see the absence
left = left { $cloud }

# Center
init-made = cloud "{ $name }" is made: keys, database, first operator (you)
init-runs = center runs: { $page }  (log: { $log })
init-ticket = first ticket, good for one friend for 24 h:
init-next = next: send it, or make more with  pumasi invite ; see the fleet at { $page }
center-started = center runs: { $page }
center-stopped = the center has stopped; nodes keep what they hold, and it goes on with  pumasi center start
center-not-running = no center of this home runs
center-up = center runs at { $addr }, page { $page }; Ctrl-C ends it
center-check = { $name } ({ $id }): schema { $schema } in { $db }, { $members } members, { $nodes } nodes, running: { $runs }
center-rebuilt = { $name } ({ $id }) has an empty database again. Next: pumasi center start; nodes come back by themselves, owners run: pumasi recovery rebuild
center-backed-up = a snapshot of the database ({ $size }) is in the pool, sealed for your account
center-drilled = a restore would work: the snapshot of { $at } ({ $size }) was read from { $holders } holders without the center ({ $pieces } pieces, { $need } are enough) and every page of it is sound: { $members } members, { $nodes } nodes; { $generations } generations are there
center-restored = the center runs from the snapshot of { $at } ({ $size }, from { $holders } holders): { $members } members, { $nodes } nodes. What came after it: nodes tell it by themselves, owners run: pumasi recovery rebuild

# Joining
join-ticket = ✓ ticket is whole, valid until { $until }
join-center = ✓ reached the center of "{ $cloud }": { $link } ({ $addr }), key as in the ticket
join-measuring = … measuring processor, disk and network (at most 15 s)
join-measured = ✓ measured: { $cpu } k loops/s, fsync { $fsync } ms, disk { $disk } MB/s, up { $up }, down { $down }, NAT { $nat }
join-quit = nothing was joined, nothing is left behind
join-offer-ask = Accept? [Enter] yes  [n] no
join-service = ✓ service { $service } brings the agent back after a reboot
join-detached = ✓ the agent runs detached ({ $why }); after a reboot start it with  pumasi up  (log: { $log })
join-done = You are lending to { $cloud } as { $name }.
join-done-use = You are in { $cloud } as { $name }; this machine lends nothing.
offer-idle = when idle: { $cores } of your cores, { $disk } of { $free } free disk, at most { $up } up
offer-in-use = while you use it: { $cores } of your cores, at most { $up } up
offer-never = never on battery, never on a metered network, never keeps the machine awake; change any time: pumasi lend set …
offer-battery = also on battery or a metered network, as you set
offer-headless = this machine gives no idle signal, so it counts as in use: with this profile it lends storage only; a machine nobody sits at may lend cores with profile=always
offer-profile = profile { $profile }; cores are lent when: { $when }
offer-memory = memory when idle: at most { $memory }
offer-net = network when idle: at most { $up } up, { $down } down; while you use it: { $up_in_use } up, { $down_in_use } down
offer-yields = your keyboard and mouse pause what it computes
offer-keeps = your keyboard and mouse do not pause it: this profile is for a machine nobody sits at
offer-transfer = at most { $transfer } over the network in a month, both ways; as one stored GB costs up to 0.19 GB of that, pieces may fill { $disk }
offer-accept = accepts: { $accept }; load and relay are separate yeses, given only by you: pumasi lend set accept=…

# Lend
lend-profile = profile { $profile } (pumasi lend set profile=whisper|generous|night|always)
lend-disk = disk: { $disk }
lend-net = ceilings: { $up } up, { $down } down
lend-transfer = monthly transfer: { $transfer }
lend-accept = accepts: { $accept }
lend-pause-for = pauses for: { $apps }
lend-now = allowed now: { $cores } cores, { $memory } of memory, { $up } up, { $down } down
lend-set = in force: { $what }
lend-set-file = written to { $file }; in force when the agent runs
lend-unlimited = no limit
lend-profile-default = as the profile says

# Doctor
doctor-ok = OK
doctor-warn = WARN
doctor-fail = FAIL
doctor-home = folders of this home: { $path }
doctor-disk = free disk: { $free }
doctor-disk-memory = data lies on a memory disk and will not survive a reboot: { $path }
doctor-joined = joined { $cloud } as { $name }
doctor-not-joined = this machine has joined no cloud
doctor-agent = agent runs (pid { $pid })
doctor-agent-down = agent does not run
doctor-center = center reached: { $link }, { $ms } ms
doctor-center-down = center not reached: { $why }
doctor-clock = clock within { $skew } of the center's
doctor-clock-wrong = clock differs by { $skew } from the center's
doctor-nat = NAT: { $nat }
doctor-udp-blocked = UDP is blocked, everything goes over the relay
doctor-sensors = idle signal: { $sensors }
doctor-sensors-none = no idle signal on this machine: treated as in use
doctor-walls = walls around foreign work: level { $level }, { $standing }
doctor-walls-low = walls around foreign work: level { $level }, and strangers' work needs { $needed }: only your own and your circle's runs here; missing: { $missing }
doctor-walls-none = no sandbox can be started here, so no work is taken: { $why }
doctor-service = service installed: { $service }
doctor-service-none = no service: after a reboot start with  pumasi up  ({ $why })
doctor-lend = lending file is in force
doctor-lend-bad = lending file has an error: { $why }

# Storage
cp-put = stored { $place }: { $size }, { $pieces } pieces on { $nodes } nodes ({ $scheme }); { $survive }
cp-get = read { $place}: { $size } into { $file }
cp-put-inline = stored { $place }: { $size }, inside its manifest at the center
cp-many = { $n } files stored in { $place }
cp-many-got = { $n } objects read into { $file }
cp-copied = { $place } is { $from } under another name; no piece moved
rm-done = { $n } removed from { $place }; `pumasi object undelete` brings them back
mv-done = { $from } is { $place } now
undelete-done = { $place } is back: { $size }
stat-object = 
    { $place }
    size      { $size } ({ $bytes } bytes)
    committed { $at }
    changed   { $changed }
    version   { $version }
    BLAKE3    { $hash }
bucket-made = { $place } is made
bucket-uncovered = { $nodes } PCs of { $owners } owners are on { $on } of the time in the mean; in its worst hour of the week (hour { $hour }, from Monday 00:00 UTC) the best group that can be opened has { $z } of the { $z_need } deviations it needs
bucket-removed = { $place } is removed
bucket-foreign-key = (another key)
bucket-show = 
    { $place }: { $objects } objects, { $size } sealed with all versions, { $changes } changes
    class { $class }, pieces in { $regions }; made { $at }, id { $id }
regions-any = any region
survives-any = { $scheme }: any { $n } of its { $nodes } PCs may die at once; { $on } of { $pieces } pieces are on, { $readable }
survives-staged = more while this machine's copy lives: { $n } segments lie here until enough PCs hold them
survives-reads = it reads now
survives-waits = too few to read now
survives-domains = it survives the loss of any whole owner, network, country or system at once
survives-not = it does not survive the loss of: { $domains }
survives-partial = (only a part of its segments was looked at)
survives-nothing-yet = nothing of it is on nodes yet
version-removed = removed
version-dropped = { $size }, removed by its id
column-objects = objects
column-made = made
column-version = version
sync-done = { $n } copied, { $gone } removed, { $same } were the same
sync-would = { $n } would be copied, { $gone } removed, { $same } are the same
cp-survives = any { $n } of them may die
cp-progress = { $phase } { $done } of { $total }, { $rate }/s
phase-seal = seal and encode
phase-send = send
phase-fill = fill up
phase-commit = commit
phase-read = read
put-waits = waiting for holders: { $on } of { $need } on
column-size = size
column-key = key
column-changed = changed

# Pages
page-title = Fleet of { $cloud }
page-lent = { $lent } lent by { $nodes } nodes
page-caption = Nodes, what they do and what they lend
page-empty = No node has joined yet. Invite a friend: pumasi invite
page-asof = as of { $when }
page-skip = To the table
page-more = { $n } more nodes are not shown; pumasi node list shows all

# Demo
demo-head = a whole cloud on this machine: 1 center, { $nodes } nodes, seed { $seed }, data in { $dir }
demo-tmpfs = note: this folder lies in memory; figures of disks mean nothing here
demo-page = page of the fleet: { $page }
demo-stays = it stays up: look at { $page }, Ctrl-C ends it
demo-passed = { $passed } of { $all } checks passed in { $span }
demo-cleaned = all processes ended, folder removed
demo-center_up = a center answers: database, endpoint, relay, page
demo-nodes_join = { $n } machines join by their tickets, each its own member, region and address
demo-join_by_ticket = the last one joins and lends by one command
demo-checked_in = every node is on, with its declared region
demo-probed = processor, disk and network of the nodes were measured
demo-put_cli = a real file is sealed, coded and acknowledged by enough nodes
demo-tree_cli = a tree of { $n } small files goes in and comes back byte for byte
demo-in_parts = an object comes in two parts, the second one first; a machine in no cloud stores through a link
demo-names_logged = the bucket's changes are stored among its pieces, sealed, so that its names outlive the center
demo-names_back = the { $n } nodes that are left find them by their locator alone; read from there, the names are the center's
demo-healed = { $n } new PCs join; once the dead count as missing, what they held is made anew (days are 4,320 times shorter here: 72 h are a minute)
demo-liar_found = one of the new PCs answers audits with wrong bytes: its own signature proves it, it gets no more work (six hours between audits are 5 s here)
demo-outlived = the last of the first PCs are killed; everything reads from the { $n } that came later
demo-names = a file is renamed, removed and brought back without a byte moving
demo-filled = nodes made the pieces the writer did not send; every node holds its own (nodes call every 12 s here)
demo-bucket_says = the bucket says how many of its { $n } PCs may die at once
demo-get_cli = it reads back byte for byte
demo-put_s3 = a tool stores 64 MiB by S3, through the gateway on its member's own machine
demo-get_s3 = it reads them back byte for byte, whole and in part
demo-get_webdav = a file manager finds them in a folder and reads them by WebDAV, byte for byte
demo-nothing_in_clear = no part of the file or its name is found in any node's or the center's files
demo-majority_dead = { $n } of the nodes are killed; the file still reads
demo-honest_degraded = one more is killed: told as too few pieces, not as missing or wrong
demo-node_suspect = a killed node is suspect within 15 s
demo-owner_pause = an owner's input pauses a node; shown as paused by its owner, without penalty
demo-owner_back = a dead node comes back and is on again

# Help of the command line; keys follow the command tree.
help = pumasi: a mutual-aid cloud of ordinary PCs. Lend what is idle, take what you need.
help-values = {""} ({ $values })
help-default = {""} [default: { $value }]
help-heading-usage = Usage:
help-heading-commands = Commands
help-heading-options = Options
help-heading-arguments = Arguments
help-heading-examples = Examples:
help--help = Show this help
help--version = Show the version
help--output = Form of the result: human, json, plain, id
help--json = Same as -o json
help--quiet = Say nothing but the result
help--verbose = Say more (repeat for still more)
help--yes = Answer every question with yes
help--lang = Language of sentences: en or zh
help--no_color = No color
help--timeout = How long one call may take
help-demo = A whole cloud on this machine doing its main job, as named checks
help-demo-examples = 
    pumasi demo --once
    pumasi demo --once --json
help-demo--nodes = How many nodes (5 to 11)
help-demo--once = End after the checks instead of staying up
help-demo--seed = Seed of everything random
help-demo--dir = Folder for its data, on a real file system
help-init = Make this machine the center of a new cloud, and its first node
help-init-examples = pumasi init --name "Chen family"
help-init--name = What its people call the cloud
help-init--no_node = Only the center; lend nothing here
help-init--node_name = Name of this machine as a node
help-init--region = Where this machine stands, e.g. asia/kr/seoul
help-init--bind = Address to listen on
help-init--port = UDP port for machines (0: any)
help-init--relay_port = TCP port of the relay (0: any)
help-init--http = Address of pages and metrics
help-init--db = Database: sqlite:PATH or postgres://…
help-init--public = Strangers may join: their machines are vetted before they count
help-init--dev = A center for tests
help-init--foreground = Run in this terminal
help-invite = Make a ticket: a pasteable right to join
help-invite-examples = 
    pumasi invite --name "Li's PC"
    pumasi invite --role lend --uses 20 --expires 7d
help-invite--name = For whom
help-invite--role = What the friend may do: lend, use, both, operator
help-invite--uses = How often it may be used
help-invite--expires = How long it lives
help-join = Join a cloud with a ticket and start lending quietly
help-join-examples = 
    pumasi join pumasi1…
    pumasi join pumasi1… --yes --name desk --region europe/de
help-join--ticket = The ticket you were given
help-join--name = Name of this machine
help-join--region = Where this machine stands, e.g. asia/kr/seoul
help-join--bind = Address this machine binds to
help-join--profile = Lending profile: whisper, generous, night, always
help-join--disk = Space to lend, e.g. 10GiB
help-join--no_lend = Only use the cloud
help-join--no_probe = Skip the 15 s measurement
help-join--no_service = Do not install a service
help-join--foreground = Lend in this terminal until it ends
help-join--sensors = system, or scripted for tests
help-leave = Hand over what is held, then go; --now goes at once
help-leave-examples = 
    pumasi leave
    pumasi leave --now
    pumasi leave --to new-pc
help-leave--now = Go at once
help-leave--to = Hand over to this machine of yours
help-leave--stay = Do not leave after all
help-leave--keep = Keep the key and the data folder
help-holiday = Declare an absence: it is no fault
help-holiday-examples = pumasi holiday 14d
help-holiday--time = How long, at most 30 d
help-up = Lend
help-up-examples = pumasi up
help-down = Lend nothing until `up`
help-down-examples = pumasi down
help-pause = Pause lending
help-pause-examples = 
    pumasi pause
    pumasi pause 1h
    pumasi pause until-idle
    pumasi pause tomorrow
help-pause--time = A duration, until-idle or tomorrow; until `resume` without one
help-resume = End a pause
help-resume-examples = pumasi resume
help-finish = Finish what runs, take nothing new, then pause
help-finish-examples = pumasi finish
help-lend = What this machine lends
help-lend-examples = 
    pumasi lend show
    pumasi lend set profile=generous disk=50GiB
help-lend-show = Show what is lent and what is allowed now
help-lend-show-examples = pumasi lend show
help-lend-set = Change what is lent; in force within a second, also without the center
help-lend-set-examples = 
    pumasi lend set profile=night
    pumasi lend set disk=50GiB up=5Mbit/s pause_for=steam,obs
help-lend-set--values = key=value pairs: profile, disk, up, down, monthly_transfer, reset_day, accept, pause_for
help-status = One screen: lending or why not
help-status-examples = 
    pumasi status
    pumasi status --json
help-status--watch = Show again every second
help-doctor = Ordered checks of this machine with a fix for each failure
help-doctor-examples = pumasi doctor
help-cp = Copy a file into the cloud or out of it
help-cp-examples = 
    pumasi cp photo.jpg my:album/photo.jpg
    pumasi cp my:album/photo.jpg back.jpg
help-cp--from = A file, or my:bucket/key
help-cp--to = my:bucket/key, or a file
help-cp--recursive = Everything below a folder or a prefix
help-cp--no_overwrite = Refuse where something is there already
help-cp--full = Wait until every PC that is on has its piece, not only enough of them
help-cp--max_credits = Refuse where a month of storing it, or reading it once, would cost more
help-rm = Remove objects; they can be brought back
help-rm-examples = 
    pumasi rm my:album/photo.jpg
    pumasi rm -r my:album/2019/
help-rm--place = my:bucket/key, or with -r the beginning of keys
help-rm--recursive = Everything whose key begins so
help-mv = Give an object another name; no piece moves
help-mv-examples = pumasi mv my:album/a.jpg my:album/b.jpg
help-mv--from = The old name
help-mv--to = The new name, in the same bucket
help-cat = Write an object to standard output
help-cat-examples = 
    pumasi cat my:album/photo.jpg > photo.jpg
    pumasi cat my:logs/today.txt --range -512
help-cat--place = my:bucket/key
help-cat--range = Bytes from and to, both counted in: 0-1023, 1024- or -512 for the last
help-stat = Size, times, version and hash of an object
help-stat-examples = pumasi stat my:album/photo.jpg --json
help-stat--place = my:bucket/key
help-sync = Make a folder and a prefix alike, one way
help-sync-examples = 
    pumasi sync Documents my:papers/
    pumasi sync my:papers/ restored --dry-run
help-sync--from = A folder, or my:bucket/prefix
help-sync--to = my:bucket/prefix, or a folder
help-sync--delete = Remove there what is not here; in the cloud it can be brought back
help-sync--dry_run = Only say what would be done
help-bucket = Your buckets
help-bucket-create = Make a bucket
help-bucket-create-examples = 
    pumasi bucket create album
    pumasi bucket create papers --region asia/kr
help-bucket-create--name = Its name; only you can read it
help-bucket-create--class = How much it must outlive; small clouds have one code for all
help-bucket-create--region = Its pieces stand there only; may be given more than once
help-bucket-create--regions_min = Its pieces stand in at least so many countries
help-bucket-list = List your buckets
help-bucket-list-examples = pumasi bucket list
help-bucket-show = What is in a bucket, and what it survives now
help-bucket-show-examples = pumasi bucket show album
help-bucket-show--name = Its name
help-bucket-rm = Remove an empty bucket
help-bucket-rm-examples = pumasi bucket rm album
help-bucket-rm--name = Its name
help-object = Versions of objects
help-object-versions = Every version of an object, the newest first
help-object-versions-examples = pumasi object versions my:album/photo.jpg
help-object-versions--place = my:bucket/key
help-object-undelete = Bring a removed object back
help-object-undelete-examples = pumasi object undelete my:album/photo.jpg
help-object-undelete--place = my:bucket/key
help-object-undelete--version = Which, as `object versions` shows it: also one that was removed by its id
help-ls = List what is in a bucket
help-ls-examples = pumasi ls my:album/
help-ls--place = my:bucket/ or my:bucket/prefix
help-node = The machines of this cloud
help-node-list = List nodes
help-node-list-examples = 
    pumasi node list
    pumasi node list --region asia/kr --json
help-node-list--mine = Only mine
help-node-list--region = Only in this region
help-node-show = One node: what was measured, what it may carry and why not
help-node-show-examples = pumasi node show li-desktop
help-node-show--node = Name, number or unique prefix of its id
help-node-quarantine = No new work for a node until it is released
help-node-quarantine-examples = pumasi node quarantine li-desktop --why "wrong bytes"
help-node-quarantine--node = Name, number or unique prefix of its id
help-node-quarantine--why = Shown to its owner
help-node-release = Back to work
help-node-release-examples = pumasi node release li-desktop
help-node-release--node = Name, number or unique prefix of its id
help-node-rename = Another name for a node
help-node-rename-examples = pumasi node rename li-desktop desk
help-node-rename--node = Name, number or unique prefix of its id
help-node-rename--name = The new name
help-ticket = Rights to join that are out
help-ticket-create = Make a ticket
help-ticket-create-examples = pumasi ticket create --role use
help-ticket-create--name = For whom
help-ticket-create--role = What the friend may do: lend, use, both, operator
help-ticket-create--uses = How often it may be used
help-ticket-create--expires = How long it lives
help-ticket-list = List tickets
help-ticket-list-examples = pumasi ticket list
help-ticket-revoke = End a ticket
help-ticket-revoke-examples = pumasi ticket revoke tabcd
help-ticket-revoke--id = Its id or a unique prefix
help-member = The people of this cloud
help-member-list = List members
help-member-list-examples = pumasi member list
help-agent = The long-running program of this machine
help-agent-run = Run the agent in this terminal
help-agent-run-examples = pumasi agent run
help-agent-run--sensors = system, or scripted for tests
help-agent-start = Start the agent: the service where one is installed, else detached
help-agent-start-examples = pumasi agent start
help-agent-stop = Stop the agent
help-agent-stop-examples = pumasi agent stop
help-agent-install = Install the user-level service
help-agent-install-examples = pumasi agent install
help-agent-uninstall = Remove the user-level service
help-agent-uninstall-examples = pumasi agent uninstall
help-agent-logs = Show the end of the agent's log
help-agent-logs-examples = pumasi agent logs
help-agent-logs--lines = How many lines
help-agent-script = Scripted sensor event, for tests
help-agent-script-examples = pumasi agent script input
help-agent-script--event = input, idle, app, battery, metered, fullscreen, thermal, clear
help-center = The management center
help-center-run = Run the center of this home in this terminal
help-center-run-examples = pumasi center run
help-center-start = Start the center of this home detached
help-center-start-examples = pumasi center start
help-center-stop = Stop the center of this home
help-center-stop-examples = pumasi center stop
help-center-check = Check settings, keys and database of the center
help-center-check-examples = pumasi center check
help-center-rebuild = Make the lost database anew from the keys beside it; nodes and owners tell the rest
help-center-rebuild-examples = pumasi center rebuild
help-center-rebuild--name = Name of the cloud, where this home does not know it
help-center-backup = Store a snapshot of the database in the pool now; the agent beside the center does it every night
help-center-backup-examples = pumasi center backup
help-center-restore = Put the newest snapshot in the pool in the place of the database; after rebuild and start
help-center-restore-examples = pumasi center restore
help-center-drill = Prove that a restore would work: read the newest snapshot from holders alone and look into it
help-center-drill-examples = pumasi center drill
help-explain = Long text of an error, offline
help-explain-examples = pumasi explain E0102
help-explain--id = Its id, e.g. E0102
help-bench = Measure, and print figures as data
help-bench-center = Check-ins per second of a real center under simulated nodes
help-bench-center-examples = pumasi bench center --nodes 10000 --sockets 200 --json
help-bench-center--nodes = Simulated nodes
help-bench-center--sockets = Real connections; the rest share them
help-bench-center--time = How long to measure
help-bench-center--seed = Seed
help-bench-center--period = Check-in period of the simulated nodes
help-bench-center--restart = Kill the center and see everybody come back
help-bench-center--dir = Folder to work in; kept afterwards
help-bench-storage = Storing and reading on a cloud of ten nodes on this machine
help-bench-storage-examples = pumasi bench storage --json
help-bench-storage--mib = MiB moved per measurement
help-bench-storage--rows = Rows of segments and versions that are made to be weighed
help-bench-storage--only = Only loads whose name holds this text, e.g. 4097b; memory and soak are measured only when named
help-bench-storage--seed = Seed
help-bench-storage--dir = Folder to work in, on a disk; kept afterwards
help-bench-gateway = What S3 costs on top of the client, on a cloud of ten nodes on this machine
help-bench-gateway-examples = pumasi bench gateway --json
help-bench-gateway--mib = MiB moved per measurement
help-bench-gateway--seed = Seed
help-bench-gateway--only = Only loads whose name holds this text: `64mib_c1` or `4kib_c8`
help-bench-gateway--dir = Folder to work in, on a disk; kept afterwards
help-bench-ledger = Durable transfers per second of the kept ledger, on SQLite and PostgreSQL
help-bench-ledger-examples = pumasi bench ledger --json
help-bench-ledger--callers = Callers at once, each waiting for its answer
help-bench-ledger--time = How long each measurement takes
help-bench-ledger--postgres = An empty database to use; without it a server is started where PostgreSQL is installed
help-bench-ledger--only = Only figures whose name holds this text
help-bench-ledger--dir = Folder to work in, on a disk; kept afterwards
help-bench-report = Make docs/performance.md from printed figures
help-bench-report-examples = pumasi bench report figures.jsonl > docs/performance.md
help-bench-report--files = Files of figures, one object a line
help-dev = For the project's own tests
help-dev-agents = Simulated nodes over the real wire protocol
help-dev-agents-examples = pumasi dev agents --count 1000 --ticket pumasi1…
help-dev-agents--bind = Address the sockets use
help-dev-agents--warmup = How long to wait before counting begins
help-dev-agents--fault = What the nodes play; may be given more than once
help-dev-agents--count = Nodes
help-dev-agents--sockets = Real connections
help-dev-agents--seed = Seed
help-dev-agents--ticket = Ticket of a dev center; may be given more than once
help-dev-agents--time = How long
help-dev-massacre = Kill six of ten real nodes at once, again and again, and read everything back
help-dev-massacre-examples = pumasi dev massacre --choices 30
help-dev-massacre--choices = How many choices of six are killed
help-dev-massacre--seed = Seed
massacre-said = right after the acknowledgement, what the bucket survives is one PC, and more while the writer's copy lives
massacre-full = every node holds its piece of 64 MiB
massacre-six_dead = choice { $n }: six of ten killed at once; the file reads back byte for byte
massacre-seven_dead = seven of ten killed: told as too few pieces, with both numbers

# Figures of measurements
bench-checkins_per_s = check-ins per second
bench-checkin_p50_ms = check-in, median response (ms)
bench-checkin_p99_ms = check-in, 99th percentile of the response (ms)
bench-checkin_max_ms = check-in, longest response (ms)
bench-checkins_failed = check-ins not answered or refused
bench-presence_bytes_per_node = presence kept in memory per node, as the center counts it (bytes)
bench-row_bytes_per_node = database per node: member, device, node, ticket use, event (bytes)
bench-missing_after_restart = nodes called missing after a restart of the center
bench-checkin_cpu_us = processor time of the center per check-in (µs)
bench-bytes_per_node = memory of the center per node (bytes)
bench-bytes_per_node_without_links = resident memory of the center per node beside its links (bytes)
bench-bytes_per_link = memory of the center per connection (bytes)
bench-rows_written = database rows written
bench-back_after_restart_s = every node is back after a restart of the center (s)
bench-transfers_per_s_sqlite = transfers per second through the center's api, rights and signatures checked, durable, on SQLite
bench-transfers_per_s_postgres = transfers per second through the center's api, rights and signatures checked, durable, on PostgreSQL
bench-transfer_p99_ms = wait for a transfer through the api at 5,000 a second on SQLite, 99th percentile (ms)
bench-transfer_p99_ms_postgres = wait for a transfer through the api at 2,000 a second on PostgreSQL, 99th percentile (ms)
bench-transfers_per_s_store_sqlite = transfers per second into the store alone, durable, on SQLite
bench-transfers_per_s_store_postgres = transfers per second into the store alone, durable, on PostgreSQL
bench-transfer_p99_ms_store = wait for a transfer into the store alone at 5,000 a second on SQLite, 99th percentile (ms)
bench-transfer_p99_ms_store_postgres = wait for a transfer into the store alone at 2,000 a second on PostgreSQL, 99th percentile (ms)
bench-verify_rows_per_s = rows per second that `ledger verify` reads from an exported book and adds up again
bench-transfer_bytes = a signed transfer on disk, with its indexes, signature and share of blocks, on SQLite (bytes)
bench-no-postgres = PostgreSQL is not installed here: its figures are left out
bench-put_64mib_c1 = put, 64 MiB objects, one writer
bench-put_64mib_c4 = put, 64 MiB objects, four writers
bench-get_64mib_c1 = get, 64 MiB objects, one reader
bench-get_64mib_c4 = get, 64 MiB objects, four readers
bench-put_1mib_c4 = put, 1 MiB objects, four writers
bench-get_1mib_c4 = get, 1 MiB objects, four readers
bench-put_4kib_c8 = put, 4,096 bytes inside the manifest, eight writers
bench-get_4kib_c8 = get, 4,096 bytes inside the manifest, eight readers
bench-put_4097b_c8 = put, 4,097 bytes on nodes, eight writers
bench-get_4097b_c8 = get, 4,097 bytes on nodes, eight readers
bench-put_full_cpu_s_per_gib = put until all pieces stand, processor time of all processes per GiB
bench-put_cpu_s_per_gib = put to the acknowledgement, processor time of all processes per GiB
bench-put_full_mb_per_s = put of 64 MiB until all pieces stand
bench-uplink_ratio = bytes the writer sends per byte of content
bench-get_cpu_s_per_gib = get, processor time of all processes per GiB
bench-seal_kernel_mb_s = the cipher alone, one core
bench-code_kernel_mb_s = the code alone, one core
bench-hash_kernel_mb_s = the hash of all pieces alone, one core
bench-seal_code_hash_mb_s = seal, code and hash of all 144 pieces, one core
bench-seal_code_hash_share = of the serial sum of the three kernels
bench-writer_peak_mib = most memory of the writing process, its 64 MiB of test data included
bench-s3_put_64mib_c1 = put by S3, 64 MiB objects, one after another
bench-client_put_64mib_c1 = the same by the client itself
bench-s3_put_64mib_over_client = put of 64 MiB: time by S3 over time by the client
bench-s3_get_64mib_c1 = get by S3, 64 MiB objects, one after another
bench-client_get_64mib_c1 = the same by the client itself
bench-s3_get_64mib_over_client = get of 64 MiB: time by S3 over time by the client
bench-client_put_4kib_c8 = put by the client, 4 KiB objects, eight at once
bench-client_put_4kib_c8_p50_ms = the same, median of one request (ms)
bench-client_put_4kib_c8_p99_ms = the same, 99th percentile of one request (ms)
bench-s3_put_4kib_c8 = put by S3, 4 KiB objects, eight connections
bench-s3_put_4kib_c8_p50_ms = the same, median of one request (ms)
bench-s3_put_4kib_c8_p99_ms = the same, 99th percentile of one request (ms)
bench-client_get_4kib_c8 = get by the client, 4 KiB objects, eight at once
bench-client_get_4kib_c8_p50_ms = the same, median of one request (ms)
bench-client_get_4kib_c8_p99_ms = the same, 99th percentile of one request (ms)
bench-s3_get_4kib_c8 = get by S3, 4 KiB objects, eight connections
bench-s3_get_4kib_c8_p50_ms = the same, median of one request (ms)
bench-s3_get_4kib_c8_p99_ms = the same, 99th percentile of one request (ms)
bench-s3_head_c8 = head by S3, eight connections
bench-s3_head_c8_p50_ms = the same, median of one request (ms)
bench-s3_head_c8_p99_ms = the same, 99th percentile of one request (ms)
bench-s3_put_cpu_s_per_gib = put by S3, processor time of all processes per GiB
bench-client_put_cpu_s_per_gib = the same by the client itself
bench-s3_get_cpu_s_per_gib = get by S3, processor time of all processes per GiB
bench-client_get_cpu_s_per_gib = the same by the client itself
bench-segment_row_bytes = database per segment, indexes included
bench-object_row_bytes = database per version, indexes included, without commit record and manifest
bench-commit_per_s = durable commits of inline objects, signatures verified, on SQLite
bench-commit_one_segment_5_per_s = durable commits of objects of one segment, 5 receipts each verified
bench-commit_one_segment_44_per_s = the same with 44 receipts each

# account, devices, recovery, grants
recovery-none = recovery: no phrase yet. If this machine is lost, everything you stored is lost: pumasi recovery phrase
recovery-unchecked = recovery: the phrase of { $at } was never asked back: pumasi recovery check
recovery-elsewhere = recovery: there is a phrase of { $at }, shown on another machine of yours; try it: pumasi recovery drill
recovery-old = recovery: the phrase was asked back last on { $at }, long ago: pumasi recovery check
recovery-good = recovery: the phrase was asked back on { $at }
recovery-replace-ask = there is a phrase of { $at } already; a new one makes it useless. Go on? [Y/n]
recovery-phrase-head = Write these 24 words on paper, in this order. They are shown once and kept nowhere.
    Whoever has them has your data.

recovery-phrase-tail =
    With them and this address any new machine brings everything back:

      pumasi recovery restore { $address }

    Next: pumasi recovery check
recovery-word-ask = word { $n } of your phrase:
recovery-phrase-ask = the 24 words of your phrase:
recovery-checked = { $n } words were right; the phrase is written down well
recovery-drilled = the phrase alone opens the account and all { $n } buckets, and the names of { $logged } come back from the pool without the center; nothing was changed
recovery-brought = the center did not know this account; it was brought back from the pool: { $devices } entries of its device log, { $buckets } buckets
recovery-bucket = { $name }: { $names } names after { $changes } changes, from { $logs } logs; { $lost } cannot be read now, { $unlogged } changes were in no log
recovery-rebuilt = { $n } buckets are back with { $names } names; { $changes } changes were told again, { $lost } cannot be read now, { $failed } buckets failed
device-ticket = On the new machine type, within { $span }:

      pumasi join { $ticket }

    It will show six digits. Waiting …
device-digits = six digits: { $digits }
    Type them on the machine that made the ticket.
device-digits-ask = { $name } asks to come in. The six digits it shows:
device-digits-wrong = these are not its digits; { $n } more tries
device-added = { $name } is your device now and has your keys
device-remove-ask = { $name } will not act for you any more; what it has read it may have kept. Go on? [Y/n]
device-removed = { $name } is no device of yours any more
device-state-here = this one
device-state-active = active
device-state-removed = removed
grant-narrowed = opens { $place } until { $until } at the latest, and ends with the link it was made from
share-done = opens { $place } until { $until }; whoever has the link may { $ops } there. End it: pumasi grant revoke { $id }
grant-forever = it is revoked
grant-shown = allows { $ops } of { $base } until { $until }; { $n } blocks
grant-revoked = the link to { $place } opens nothing any more
column-rights = may
column-since = since
column-place = place
help-share = Give somebody a link to a file or folder; it holds its own keys
help-share-examples =
    pumasi share my:album/2024/
    pumasi share my:album/photo.jpg --expires 1h
help-share--place = What is shared
help-share--ops = What the link allows: get, list, put, delete
help-share--expires = How long it works
help-share--forever = Until it is revoked
help-grant = Links that were given
help-grant-create = The same as share
help-grant-create-examples = pumasi grant create my:album/2024/ --expires 30d
help-grant-create--place = What is shared
help-grant-create--ops = What the link allows: get, list, put, delete
help-grant-create--expires = How long it works
help-grant-create--forever = Until it is revoked
help-grant-list = List the links you gave
help-grant-list-examples = pumasi grant list
help-grant-show = What a link allows; nobody is asked
help-grant-show-examples = pumasi grant show pmg1abcd
help-grant-show--link = The link
help-grant-narrow = Pass a link on with less: a folder below, a shorter time; nobody is asked
help-grant-narrow-examples = pumasi grant narrow pmg1abcd/trip/ --expires 1d
help-grant-narrow--link = The link, and after a slash what lies below it
help-grant-narrow--ops = What the new link allows: get, list, put, delete
help-grant-narrow--expires = How long it works
help-grant-narrow--forever = As long as the link it is made from
help-grant-revoke = End a link, and all that were made from it
help-grant-revoke-examples = pumasi grant revoke 1a2b3c4d
help-grant-revoke--id = Its id or a unique prefix
help-device = Your own machines
help-device-list = List them
help-device-list-examples = pumasi device list
help-device-add = Let a second machine act for you: a ticket here, six digits there
help-device-add-examples = pumasi device add
help-device-add--rights = What it may do: use, lend, admin, spend, approve
help-device-add--expires = How long the ticket lives, at most 10 minutes
help-device-remove = End what a machine may do for you
help-device-remove-examples = pumasi device remove laptop
help-device-remove--id = Its name, its id or a unique prefix
help-recovery = What brings your data back when all your machines are gone
help-recovery-phrase = Show 24 words, once
help-recovery-phrase-examples = pumasi recovery phrase
help-recovery-phrase--words = The list the words are of: en, zh
help-recovery-check = Ask four of the words back
help-recovery-check-examples = pumasi recovery check
help-recovery-drill = Try the whole phrase as a new machine would, and change nothing
help-recovery-drill-examples = pumasi recovery drill
help-recovery-restore = On a new machine: bring the account back with the phrase
help-recovery-restore-examples = pumasi recovery restore pumasi1abcd
help-recovery-restore--address = The address that was shown with the phrase
help-recovery-restore--name = Name of this machine
help-recovery-restore--bind = Address this machine binds to
help-recovery-rebuild = After the center lost its database: bring account and names back from the pool
help-recovery-rebuild-examples = pumasi recovery rebuild --wait 10min
help-recovery-rebuild--wait = So long it is waited for machines that did not come back yet
help-dev-massacre--standard = The same with 120 nodes, ten in a process, in the class standard
help-dev-nodes = The agents of several homes in one process
help-dev-nodes-examples = pumasi dev nodes /tmp/one /tmp/two
help-dev-nodes--homes = Their homes
massacre-joined = 120 nodes with an owner and an address each are on
massacre-put = 64 MiB are acknowledged
massacre-most_dead = 70 of 120 nodes killed at once; the file reads back byte for byte
bench-writer_peak_streams_mib = most memory of the writing process, with four streams at once
bench-put_streams_c4 = put, four streams at once
bench-put_soak_streams_c4 = put, four long streams at once, nodes that keep no bytes
bench-put_soak_sparse_c1 = put, one long sparse file, nodes that keep no bytes
bench-writer_peak_soak_streams_mib = most memory of the writing process, with four long streams at once
bench-writer_peak_soak_sparse_mib = most memory of the writing process, with one long sparse file
demo-shared = a link opens the folder for a machine in no cloud, and opens nothing once it is revoked
demo-recovered = 24 words bring the account back on a new machine; the file reads
help-ls--offline = What this machine knows, without asking the center
ls-offline = as of { $at }, the last change this machine knows
help-bucket-create--quota = Most it may hold, all versions together, e.g. 10GiB
help-bucket-set = Change what a bucket may hold
help-bucket-set-examples = pumasi bucket set album --quota 10GiB
help-bucket-set--name = Its name
help-bucket-set--quota = Most it may hold, all versions together; none for no limit
bucket-set = { $place } may hold: { $quota }
bucket-quota = quota: { $quota }, all versions together
bucket-logged = { $place }: changes 1 to { $upto } stand in the pool, { $n } logs of { $size }: from them and your key its names come back without the center
bucket-log-there = { $place }: changes 1 to { $upto } stand in the pool already, { $n } logs of { $size }, the newest of { $at }
bucket-log-nothing = { $place }: nothing has changed yet
bucket-log-none = { $place }: no log yet: pumasi bucket log
bucket-log-checked = { $place }: { $holders } holders found { $n } logs by their locator alone, { $pieces } pieces of the weakest where { $need } are enough; the { $names } names read from there are those of the center
bucket-log-later = changes after { $upto } are not in the logs yet; the agent stores them within ten minutes
help-bucket-log = Store now what brings a bucket's names back without the center; the agent does it within ten minutes of a change
help-bucket-log-examples = 
    pumasi bucket log album
    pumasi bucket log album --check
help-bucket-log--name = Its name
help-bucket-log--check = Find the logs at their holders, read them, and compare
quota-none = no limit
help-dev-massacre--midway = First kill six while the pool is being filled, with the writer's machine alive
massacre-midway = six of ten killed right after an acknowledgement; from the writer's copy the other four are filled, and the file reads
help-upload = An object that comes in parts
help-upload-begin = Begin an object that comes in parts
help-upload-begin-examples = pumasi upload begin my:album/film.mkv
help-upload-begin--place = Where it is going to be
help-upload-part = Store one part; the same number again replaces it
help-upload-part-examples = pumasi upload part my:album/film.mkv 1 film.part1
help-upload-part--place = Where the object is going to be
help-upload-part--id = Which upload, where several are open: its id or a unique prefix
help-upload-part--number = 1 to 10,000; parts follow each other by number, whichever comes first
help-upload-part--file = A file, or - for a pipe
help-upload-list = List open uploads
help-upload-list-examples = pumasi upload list my:album
help-upload-list--place = A bucket, or the beginning of names
help-upload-show = The parts that are there
help-upload-show-examples = pumasi upload show my:album/film.mkv
help-upload-show--place = Where the object is going to be
help-upload-show--id = Which upload, where several are open: its id or a unique prefix
help-upload-complete = Make the object of its parts, all at once
help-upload-complete-examples = pumasi upload complete my:album/film.mkv
help-upload-complete--place = Where the object is going to be
help-upload-complete--id = Which upload, where several are open: its id or a unique prefix
help-upload-complete--parts = Only these parts; without it, all that are there
help-upload-complete--no_overwrite = Only where the name is not there
help-upload-abort = Give an upload up; what was stored of it goes
help-upload-abort-examples = pumasi upload abort my:album/film.mkv
help-upload-abort--place = Where the object was going to be
help-upload-abort--id = Which upload, where several are open: its id or a unique prefix
upload-begun =
    begun: { $place }, upload { $id }
      next: pumasi upload part { $place } 1 FILE, for each part; then pumasi upload complete { $place }
      seven days after the last part an upload is given up
upload-part = part { $n } of { $place } is stored: { $size }
upload-parts = { $n } parts, { $size } together
upload-completed = { $place } is there: { $size } from { $n } parts
upload-aborted = given up: { $place }; what was stored of it goes
help-mount = Your buckets as a folder of this machine, until it is stopped (Linux)
help-mount-examples = 
    mkdir ~/cloud && pumasi mount ~/cloud
    pumasi mount ~/photos my:photos/2026 --read-only
    pumasi mount ~/notes --bucket notes --sync pool
    getfattr -n user.pumasi.state ~/notes/today.txt

    Files are uploaded once they are closed; user.pumasi.state says "safe" when the cloud has them.
    Ctrl-C or umount ends it and uploads what waits. No databases here; no locks across machines.
    Windows and macOS open the same buckets by WebDAV: pumasi gateway run
help-mount--folder = An empty folder
help-mount--place = my:bucket, or my:bucket/folder; without it all buckets, each a folder
help-mount--bucket = One bucket
help-mount--read_only = Nothing is changed
help-mount--sync = When fsync returns: staged, once it is durable on this machine; pool, once other PCs have it
help-mount--allow_other = Other users of this machine see it too, as far as the rights of the files go
mount-up = { $place } is mounted at { $folder }; Ctrl-C or umount ends it
mount-recovered = files of an earlier mount that are not uploaded yet: { $n }; that is done now
mount-waits = files that wait to be uploaded: { $n }
mount-safe = all is uploaded
mount-ends = the folder is taken away; files that are uploaded still: { $n }. Ctrl-C leaves them to the next mount
mount-left = files that are not uploaded yet: { $n }; they lie sealed on this machine, and the next mount uploads them
mount-bad = files of an earlier mount that are broken: { $n }; they are set aside in { $spool }, each as N.bad, and not uploaded
mount-conflict = another content took its name meanwhile; what an earlier mount left is now: { $name }
help-gateway = Your buckets for file managers and every tool that speaks S3, on this machine
help-gateway-run = Serve S3 and WebDAV here until stopped; the agent does it by itself once there is a key
help-gateway-run-examples = pumasi gateway run
    pumasi gateway run --s3 127.0.0.1:0 --webdav 127.0.0.1:0
help-gateway-run--s3 = Where it listens; port 0 lets the system choose. Without it, gateway.s3 of the configuration, else 127.0.0.1:7780
help-gateway-run--webdav = Where file managers find it; port 0 lets the system choose. Without it, gateway.webdav of the configuration, else 127.0.0.1:7781
help-gateway-run--listen_anywhere = Other machines may reach it. What tools send it is not encrypted on the way there
help-gateway-run--host = One more name under which it is asked; buckets may stand in front of it
help-gateway-key = Keys for tools; they stay on this machine
help-gateway-key-create = Make a key for a tool; its secret is shown once
help-gateway-key-create-examples = pumasi gateway key create
    pumasi gateway key create --prefix backups/laptop/ --expires 90d
    pumasi gateway key create --prefix photos --read-only
help-gateway-key-create--prefix = Only this bucket, or only names in it that begin so
help-gateway-key-create--read_only = It reads and lists, and writes nothing
help-gateway-key-create--expires = How long it is good, as in 90d
help-gateway-key-list = List keys for tools
help-gateway-key-list-examples = pumasi gateway key list
help-gateway-key-revoke = End a key at once
help-gateway-key-revoke-examples = pumasi gateway key revoke PMSIABCD
help-gateway-key-revoke--id = Its id or a unique prefix
gateway-up =
    S3 is served: http://{ $addr }
    WebDAV is served: http://{ $webdav }
      Ctrl-C ends it
gateway-no-key = no tool has a key yet: pumasi gateway key create
gateway-key-made =
    made: a key for { $place }; the secret is not shown again
      access key id      { $id }
      secret access key  { $secret }
      region             { $region }
      next: pumasi gateway run, unless the agent of this machine runs; the address is http://127.0.0.1:7780
gateway-key-good = good
gateway-key-over = expired
gateway-key-revoked = revoked
gateway-key-reads = read
gateway-key-writes = read, write
gateway-key-ended = key { $id } is ended
column-part = part

# A cloud under faults
help-dev-chaos = A small cloud whose machines, disks and network break by a seeded plan, while it is used; then everything is checked
help-dev-chaos-examples = pumasi dev chaos --seconds 60 --seed 7
help-dev-chaos--seconds = How long faults come, in seconds
help-dev-chaos--seed = Seed of the plan
help-dev-chaos--nodes = Nodes
help-dev-chaos--time_scale = By how much the center's days are shortened
help-dev-chaos--plan = Print the plan of faults before it begins
chaos-begin = begin
chaos-up = up
chaos-plan = plan
chaos-fault = fault
chaos-calls = calls
chaos-check = check
chaos-broken = it could not be done:
chaos-replay = again:

# jobs
help-run = Run a module over many inputs, on everybody's idle cores or here
help-run-examples = 
    pumasi run thumb.wasm --each 'my:photos/*' --to my:thumbs/ -- 256
    pumasi run pi.wasm --count 1000 --to my:pi/ --trust public
    pumasi run thumb.wasm --each 'my:photos/*' --to my:thumbs/ --fresh -- 256
    pumasi run --local guest:wordcount-map < book.txt
help-run--module = A WebAssembly module (WASI command), or guest:NAME for one that comes with the program
help-run--local = Here, in the same sandbox, without a cloud
help-run--each = What it runs over, one item each: my:bucket/pattern, my:folder/, or files; may be given more than once
help-run--count = So many items without input; each is told its number
help-run--input = How an input reaches the module: stdin or file (below /in)
help-run--pattern = Names of outputs, e.g. {"{stem}"}.txt or part-{"{index:05}"}
help-run--to = Where outputs go: my:bucket/prefix, with --local a folder
help-run--trust = Whose machines may run it: self, circle or public
help-run--check = How strangers' results are checked: fast, standard or strict
help-run--region = Only machines there; may be given more than once
help-run--name = What you call the job
help-run--memory = Memory of one item
help-run--fuel = Most steps of one item; without it found from the first ones
help-run--wall = Longest time of one item
help-run--max_output = Most output of one item
help-run--deadline = Nothing is handed out after it
help-run--env = A variable for the module; may be given more than once
help-run--seed = Seed of the module's randomness
help-run--fresh = Compute everything, also items whose result is known from earlier runs
help-run--max_credits = Most it may cost; among strangers half of what you can spend, else no limit
help-run--detach = Do not wait for the end
help-run--args = Arguments of the module, after --
help-map = Map and reduce over what is stored: lines in, records out
help-map-examples = 
    pumasi map guest:wordcount-map my:books/ --reduce guest:wordcount-reduce --to my:words/
    pumasi map guest:sort-map my:logs/ --reduce guest:sort-reduce --cuts f,m,t --to my:sorted/
help-map--module = The mapper: lines on stdin, `key TAB value` lines on stdout
help-map--inputs = What it reads: my:bucket/prefix/, my:bucket/pattern, or files
help-map--reduce = The reducer: all records of its part, sorted by key, on stdin
help-map--combine = Run over each part of a mapper's output before it is stored
help-map--parts = Parts of the mappers' output, by hash of the key: as many reducers and outputs
help-map--cuts = Parts by order instead: keys at which the next part begins
help-map--split = Bytes that one mapper reads
help-map--to = Where outputs go: my:bucket/prefix
help-map--trust = Whose machines may run it: self, circle or public
help-map--check = How strangers' results are checked: fast, standard or strict
help-map--region = Only machines there; may be given more than once
help-map--name = What you call the job
help-map--memory = Memory of one item
help-map--fuel = Most steps of one item; without it found from the first ones
help-map--wall = Longest time of one item
help-map--max_output = Most output of one item
help-map--deadline = Nothing is handed out after it
help-map--env = A variable for the modules; may be given more than once
help-map--seed = Seed of the modules' randomness
help-map--fresh = Compute everything, also items whose result is known from earlier runs
help-map--max_credits = Most it may cost; among strangers half of what you can spend, else no limit
help-map--detach = Do not wait for the end
help-map--args = Arguments of the mapper, after --
help-job = Your jobs
help-job-submit = Hand in a job that a file describes
help-job-submit-examples = 
    pumasi job submit wordcount.toml
    pumasi job submit wordcount.toml --fresh
help-job-submit--file = A manifest, TOML or JSON
help-job-submit--fresh = Compute everything, also items whose result is known from earlier runs
help-job-submit--max_credits = Most it may cost; among strangers half of what you can spend, else no limit
help-job-submit--detach = Do not wait for the end
help-job-list = List your jobs, the newest first
help-job-list-examples = pumasi job list
help-job-show = How a job stands, why it waits, what failed and who lied
help-job-show-examples = 
    pumasi job show last
    pumasi job show jq3m --json
help-job-show--job = Its id, how that begins, or last
help-job-logs = What an item said on standard error, the end of it
help-job-logs-examples = pumasi job logs last 17
help-job-logs--job = Its id, how that begins, or last
help-job-logs--item = Number of the item
help-job-logs--stage = Stage of the item: 0 map, 1 reduce
help-job-results = Give the outputs that are done their names, also while the job goes on
help-job-results-examples = pumasi job results last --to out/
help-job-results--job = Its id, how that begins, or last
help-job-results--to = Fetch them into this folder, too
help-job-retry = Try a job's failed items again
help-job-retry-examples = pumasi job retry last
help-job-retry--job = Its id, how that begins, or last
help-job-raise = Let a job cost more, in all
help-job-raise-examples = pumasi job raise last --max-credits 5
help-job-raise--job = Its id, how that begins, or last
help-job-raise--max_credits = Most it may cost from now on, with what it cost already
help-job-stop = Hand nothing more of a job out
help-job-stop-examples = pumasi job stop last
help-job-stop--job = Its id, how that begins, or last
help-job-wait = Follow a job to its end and take its outputs over
help-job-wait-examples = pumasi job wait last
help-job-wait--job = Its id, how that begins, or last
run-local = { $name }: { $end } · { $fuel } steps · result { $hash } · walls of level { $walls }
job-strangers = Strangers' PCs will read the inputs of the tasks they run. For private data use --trust self or circle.
job-begun = job { $job } ({ $name }): { $items } items
job-begun-known = job { $job } ({ $name }): { $items } items, { $known } of them known from earlier runs
job-all-known = { $name }: { $items } items, all of them known from earlier runs; nothing is handed in
    { $outputs } outputs of { $size } are in my:{ $bucket }/{ $to }
job-known-too = { $known } more items were known from earlier runs; their outputs are counted in
job-log-known = item { $item } was known from an earlier run and did not run in this job; `--fresh` runs everything
job-detached = it goes on without you; `pumasi job wait { $job }`
job-goes-on = the job goes on; `pumasi job wait { $job }` follows it, `pumasi job stop { $job }` ends it
job-progress = { $done }/{ $items } done · { $checked } checked · { $running } running on { $nodes } nodes · { $moved } moved · { $copies } copied · { $retried } retried · { $fuel } Gsteps
job-eta = {" "}· ends in { $eta }
job-ended = job { $job } is { $state }: { $done } of { $items } items, { $failed } failed, { $checked } checked, { $moved } moved, { $copies } copied, { $retried } retried; { $fuel } Gsteps and { $extra } for checks and copies
    { $outputs } outputs of { $size } are in my:{ $bucket }/{ $to }
job-liar = { $name } ({ $node }) said something wrong of item { $item }: others who ran it agree on another result; it gets no work of strangers any more
job-differs = { $name } ({ $node }) said something else of item { $item } than others: it was given other inputs, or computes differently; nobody is blamed
job-failure = item { $stage }.{ $item } failed after { $tries } tries: { $kind }; `pumasi job logs { $job } { $item } --stage { $stage }`
job-show = 
    { $job } { $name }: { $state }, { $done } of { $items } items done, { $failed } failed
    trust { $trust }, check { $check }; handed in { $at }
    { $running } running on { $nodes } nodes, { $checked } checked, { $moved } moved, { $copies } copied, { $retried } retried; { $fuel } Gsteps and { $extra } for checks and copies
job-stage = stage { $n }: { $done } of { $items } done, { $verified } verified, { $running } running, { $failed } failed
job-no-log = item { $item } said nothing on standard error
job-retried = failed items of { $job } are tried again
job-raised = { $job } may cost more and goes on
job-cost = accepted results come to { $worth } credits; what your own machines did of them is free
job-cost-of = accepted results come to { $worth } of { $most } credits; what your own machines did of them is free
job-stopped = { $job } hands nothing more out; what is done stays: `pumasi job results { $job }`
job-fetched = { $n } outputs are in { $folder }
job-results-so-far = { $n } outputs of { $size } have their names; { $items } items in all
column-done = done
column-failed = failed
column-trust = trust
phase-adopt = name outputs
pause-keeper-offline = waits: no machine that holds its keys is on; nothing new is handed out
pause-many-failed = waits: most of its first items failed; `pumasi job retry` goes on
pause-restarted = waits: the center was just started anew and hears who runs what
pause-budget = waits: what it may cost is used up; `pumasi job raise` lets it go on
waits-nobody = waits: no node asks for work
waits-owners = waits: its checks need { $n } owners, fewer are there
waits-trust = { $n } nodes take no work of this class
waits-walls = { $n } nodes have no walls high enough for strangers' work
waits-quarantined = { $n } nodes were found lying
waits-region = { $n } nodes are in another region
waits-memory = { $n } nodes have too little memory free
waits-scratch = { $n } nodes have too little disk free
waits-schedule = { $n } nodes go off too soon
waits-young = { $n } nodes are not on long enough
waits-owner = { $n } nodes belong to who has a copy already
waits-failed = { $n } nodes failed at it
waits-share = { $n } nodes have their share of it
waits-suspect = { $n } nodes do not answer
demo-texts_stored = at least { $n } pages of text stored, for a job's items
demo-word_count = words counted over at least { $n } items by strangers' PCs; one was killed over it, one lied and is named; the result equals the plain answer
demo-ledger = what was stored and computed is settled: who lied earned nothing by it, wallets are the sums of their rows, the whole book is added up again (six hours of a settle period are 5 s here)
demo-ledger-line =     { $name }: earned { $earned }, paid { $paid }, has { $balance }

# Measurements of computing
help-bench-compute = Work handed out and taken back by a center, and jobs on a small cloud beside plain programs
help-bench-compute-examples = pumasi bench compute --only items_per_s --json
help-bench-compute--agents = Simulated nodes that ask for work
help-bench-compute--time = How long to measure what a center hands out
help-bench-compute--mib = MiB of text that jobs read
help-bench-compute--seed = Seed
help-bench-compute--only = Only figures whose name holds this text, e.g. grant
help-bench-compute--dir = Folder to work in, on a disk; kept afterwards
help-dev-workers = Simulated nodes that ask for work and say at once that it is done
help-dev-workers-examples = pumasi dev workers --count 200 --load bundles --ticket pumasi1…
help-dev-workers--count = Nodes
help-dev-workers--sockets = Real connections
help-dev-workers--seed = Seed
help-dev-workers--ticket = Ticket of a dev center; may be given more than once
help-dev-workers--bind = Address the sockets use
help-dev-workers--time = How long
help-dev-workers--warmup = How long to wait before counting begins
help-dev-workers--load = What they are given: many items a lease, one a lease, or small jobs at a pace
help-dev-workers--pace = Items handed in per second where that is at a pace
bench-part-failed = { $part } did not run: { $why }
bench-items_per_s = results acknowledged per second, durable, many items a lease
bench-item_cpu_us = processor time of the center per result, many items a lease (µs)
bench-leases_per_s = the same with one item a lease
bench-lease_cpu_us = processor time of the center per lease of one item (µs)
bench-grant_p50_ms = from a job handed in to its first lease at a node that waits, median (ms)
bench-grant_p99_ms = from a job handed in to its first lease at a node that waits, 99th percentile (ms)
bench-grant_max_ms = from a job handed in to its first lease at a node that waits, longest (ms)
bench-noop_p50_ms = a job of one item that does nothing, from handed in to seen done, median (ms)
bench-noop_max_ms = a job of one item that does nothing, from handed in to seen done, longest (ms)
bench-wordcount_plain_s = words counted by a plain program, one core, text in memory (s)
bench-wordcount_1gib_w2_s = words counted by a job on two PCs (s)
bench-wordcount_1gib_w1_s = words counted by a job on one PC (s)
bench-wordcount_cpu_s = processor time of all processes for the job of two PCs (s)
bench-wordcount_over_plain = wall time of the job of two PCs over the plain program
bench-wordcount_cpu_over_plain = processor time of the job of two PCs over the plain program
bench-sort_plain_s = lines sorted by a plain program, one core, text in memory (s)
bench-sort_1gib_w2_s = lines sorted by a job on two PCs (s)
bench-sort_cpu_s = processor time of all processes for the job of sorting (s)
bench-sort_over_plain = wall time of the job of sorting over the plain program
bench-sort_cpu_over_plain = processor time of the job of sorting over the plain program
bench-cpu_growth_w1_w2 = processor time of the job of two PCs over that of one
bench-wasm_over_native = processor time of guests over native programs, geometric mean of three
bench-wasm_sha256tree = processor time of the guest over the native program, hash tree
bench-wasm_sort = processor time of the guest over the native program, sorting
bench-wasm_wordcount = processor time of the guest over the native program, counting words
bench-yield_ms_p50 = from the owner's input until guests compute no more, median (ms)
bench-yield_ms_p95 = from the owner's input until guests compute no more, 95th percentile (ms)
bench-yield_ms_p99 = from the owner's input until guests compute no more, 99th percentile (ms)
bench-yield_ms_max = from the owner's input until guests compute no more, longest (ms)
bench-yield_memory_ms_max = from the owner's no until guests hold no memory, longest (ms)
bench-killing_peace_s = a job on eight PCs in peace (s)
bench-killing_s = the same job while one of them dies every ten seconds (s)
bench-killing_deaths = PCs that died meanwhile
bench-killing_one_of_8_over = time of the job with deaths over that in peace

column-time = time
column-for = for
column-other = with
column-change = credits
column-held = set aside
wallet-of = { $name }, account { $account }
wallet-balance = balance     { $amount } credits
wallet-held = set aside   { $amount } (holds: { $n })
wallet-limit = may owe     { $amount } ({ $why })
wallet-available = to spend    { $amount }
wallet-hold =   { $amount } for { $code } until { $when }
wallet-statement = Lines: { $n }. Balance { $opening } before, { $closing } after.
wallet-line = Row { $seq } of { $when }: { $amount } credits for { $code }, with { $other }; block { $block }.
wallet-line-signed = Signed by the machine { $device }.
wallet-line-used = Used in the period that ended { $when }: { $resource }.
wallet-line-served = Served in the period that ended { $when }: { $resource }.
wallet-line-reading =   { $units } units ({ $variant }, quality { $quality } %) at { $price } µcredit for { $per }, price book { $version }: { $amount }
wallet-line-factor = For all who served it there were { $there } of the { $wanted } they earned; each got as much of its own.
wallet-line-part =   of it { $units } units: { $of }
wallet-by-node = machine { $id }
wallet-by-job = job { $id }
wallet-by-account = for account { $id }
wallet-parts = Parts: { $n }. Stored bytes are counted by account alone and are not among them.
wallet-exported = Lines: { $n }. { $file } bears the center's signature, { $csv } is the same as a table. Check it anywhere: pumasi wallet verify { $file }
wallet-verified = The cloud { $cloud } signed this for { $account }. Lines: { $n }; balance { $opening } before, { $closing } after. Names of others are not signed.
column-side = side
column-units = units
side-used = used
side-served = served
wallet-transfer-ask = Give { $amount } credits to { $name }? [Y/n]
wallet-transfer-done = { $amount } credits are { $name }'s now. Your balance: { $balance }.
wallet-sent-again = A gift whose answer was lost was sent again and stands: { $id }
wallet-refused-again = A gift whose answer was lost was sent again and is refused ({ $why }): { $id }
wallet-why-private = a private cloud gives everybody as much
wallet-why-common = of an account of all
wallet-why-opening = where everybody begins
wallet-why-served = you have served for 24 h
wallet-why-proven = you have served for 7 days with audits passed
wallet-why-earned = 60 × { $mean } credits a day × audits { $audits } %
wallet-why-written-off = your debt was written off
wallet-why-volume = 2 % of what moved in 90 days
wallet-stands = you stand   { $state }
wallet-state = you stand   { $state }, since { $when }
wallet-state-newcomer = newcomer: you may owe as much as everybody who begins
wallet-state-active = active: everything goes on
wallet-state-low = low: at your present use it lasts less than 7 days; earn, or be given something
wallet-state-at-limit = at the limit: writes and jobs wait, what you stored can be read; lend, work or be given something, so that more than 5 % of the limit is free
wallet-state-last = at the limit: among friends your work only waits for that of others
wallet-state-grace = grace: for 30 days nothing new, what you stored can be read and is kept; anything to spend leads out
wallet-state-released = let go: what you stored is no longer promised; anything to spend leads out
wallet-state-written-off = written off: others bore your debt; who pays it back is in again
wallet-state-leaving = leaving: what you have goes before you do, what you owe keeps the account open
wallet-state-closed = closed
wallet-written-off = To pay back of what was written off: { $amount }
wallet-notices = Notices that what you stored will be let go of: { $n }, the last { $when }
wallet-next = Next: { $what }
wallet-next-serve = after { $more } more of verified service { $to }
wallet-next-prove = after { $more } more of service with audits passed { $to }
wallet-next-earn = by earning more than { $amount } a day on average
column-before = before
column-after = since then
column-why = why
ledger-rows = transfers: { $n }, blocks: { $blocks }
ledger-sums = Σ debits { $debits } = Σ credits { $credits }; set aside { $held }
ledger-class =   { $class }: balance { $balance } (accounts: { $n })
ledger-newest-root = Newest daily root: { $day }; it follows from those that this machine keeps (days: { $n }).
ledger-roots = Each follows from the one before, and the center stands by them (days: { $n }).
ledger-roots-forget-ask = Forget the daily roots kept here, and believe whatever book the center shows now?
column-root = root
ledger-adds-up = It adds up.
ledger-broken = It does NOT add up. { $why }
ledger-exported = Transfers in { $file }: { $n }. Check them anywhere: pumasi ledger verify { $file }
ledger-verified = Every transfer follows from those before, and all add up (transfers: { $n }, blocks: { $blocks }, daily roots: { $days }, nodes that signed the newest: { $signed }). State { $state }
help-wallet = What you have, owe and gave
help-wallet-show = Show balance, holds and limit
help-wallet-show-examples = pumasi wallet show
help-wallet-show--account = Another account, for the operator: member-7, insurance-1
help-wallet-statement = List every change of the account
help-wallet-statement-examples =
    pumasi wallet statement
    pumasi wallet statement --since 365d --csv > year.csv
    pumasi wallet statement --line 4711
    pumasi wallet statement --by node
help-wallet-statement--account = Another account, for the operator: member-7, insurance-1
help-wallet-statement--since = How far back
help-wallet-statement--csv = As a table for spreadsheets
help-wallet-statement--line = What this row of the book is made of
help-wallet-statement--by = Units by who served or used them: node, job or account
help-wallet-export = Write a statement that bears the center's signature, and the same as a table
help-wallet-export-examples = pumasi wallet export year.json --since 365d
help-wallet-export--file = The file; the table stands beside it, ending in csv
help-wallet-export--account = Another account, for the operator: member-7, insurance-1
help-wallet-export--since = How far back
help-wallet-verify = Check a statement of `pumasi wallet export`
help-wallet-verify-examples = pumasi wallet verify year.json
help-wallet-verify--file = The file
help-wallet-transfer = Give credits to another member
help-wallet-transfer-examples = pumasi wallet transfer maria 2.5
help-wallet-transfer--to = A member's name, or a whole id as `pumasi member list` shows it
help-wallet-transfer--amount = Credits, with at most six decimals
help-wallet-quote = What storing, reading and computing would cost; alone, the prices in force
help-wallet-quote-examples =
    pumasi wallet quote
    pumasi wallet quote --store 200GB --months 12 --read 20GB
help-wallet-quote--store = So much is stored
help-wallet-quote--class = In this class; a private cloud has one price
help-wallet-quote--months = For so many months
help-wallet-quote--read = So much is read
help-wallet-quote--compute = So many steps are computed: 3600000000000 are an hour of the reference core
help-wallet-quote--check = How results are checked
quote-store = store { $amount } for { $months } months: { $cost }
quote-read = read { $amount }: { $cost }
quote-compute = compute { $amount } steps: { $cost }
quote-sum = in all { $sum } credits at most; you can spend { $has }
quote-book = version { $version } of the price book, in force since { $from }
column-kind = kind
column-pays = costs
column-earns = earns
column-per = for so many units
help-wallet-limit = How far you may owe, why, and what would raise it
help-wallet-limit-examples = pumasi wallet limit
help-wallet-limit--account = Another account, for the operator: member-7
help-ledger = The whole book, and whether it adds up
help-ledger-show = Show sums, accounts and blocks
help-ledger-show-examples = pumasi ledger show
help-ledger-export = Write all transfers into a file, for the operator
help-ledger-export-examples = pumasi ledger export book.pml
help-ledger-export--file = The file
help-ledger-roots = Daily roots of the book that this machine has seen, and whether the center stands by them
help-ledger-roots-examples = pumasi ledger roots
help-ledger-roots--forget = Begin anew with what the center shows now, e.g. after it was rebuilt
help-ledger-verify = Add everything up again, without the center's store
help-ledger-verify-examples =
    pumasi ledger verify
    pumasi ledger verify book.pml
help-ledger-verify--file = A file of `pumasi ledger export`; without it, the center's book
