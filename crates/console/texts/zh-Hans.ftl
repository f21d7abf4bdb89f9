# 错误：说明与处理方法。编号与 `model::errors` 的登记一致。
e0001 = 没有 `{ $word }`，是否想输入 `{ $near }`？
e0001-fix = `pumasi help`
e0002 = `{ $field }` 不能是 `{ $value }`：{ $why }
e0002-fix = `pumasi help { $verb }`
e0003 = 配置项 `{ $key }` 不存在，是否想写 `{ $near }`？
e0003-fix = `pumasi config check`
e0004 = 无法读取配置文件 { $path }：{ $why }
e0004-fix = `pumasi config edit`
e0005 = 此操作需要确认，但当前没有终端
e0005-fix = 加上 `--yes` 或 `--max-credits N`
e0006 = 另一个 pumasi 正在使用 { $path }
e0006-fix = `pumasi status`
e0007 = { $path } 仅剩 { $free }，需要 { $need }
e0007-fix = `pumasi config set dirs.staging PATH`
e0008 = 本程序协议版本为 { $have }，云需要 { $need }
e0008-fix = `pumasi update`
e0009 = { $who } 在 { $wait } 内没有应答
e0009-fix = `--timeout`、`pumasi doctor`
e0010 = 共 { $all } 项，完成 { $ok }，失败 { $failed }
e0010-fix = 再次运行即可继续
e0011 = 本机时钟与管理中心相差 { $skew }
e0011-fix = `pumasi doctor --fix`
e0012 = 云目前只读：{ $why }
e0012-fix = `pumasi cloud show`
e0013 = { $what } 为 { $size }，上限 { $limit }
e0013-fix = 按提示操作
e0014 = 请求过多，请 { $wait } 后重试
e0014-fix = 请等待；重试会遵循 Retry-After
e0015 = 请求编号 { $id } 已用于不同内容
e0015-fix = 换一个新编号
e0101 = 本机尚未加入任何云
e0101-fix = `pumasi join TICKET` 或 `pumasi init`
e0102 = 邀请码已损坏（校验不符）
e0102-fix = 重新复制
e0103 = 邀请码已于 { $when } 过期
e0103-fix = 请对方执行 `pumasi invite`
e0104 = 邀请码已用满 { $n } 次
e0104-fix = 请对方执行 `pumasi invite`
e0105 = { $addr } 的密钥与加入时固定的不同
e0105-fix = 请停止，并核对 `pumasi cloud show --keys`
e0106 = { $who } 无权对 { $thing } 执行 { $verb }
e0106-fix = `pumasi grant show`
e0107 = 请先登录
e0107-fix = `pumasi open`
e0108 = 授权已于 { $when } 到期
e0108-fix = 请重新索取授权
e0109 = 授权已于 { $when } 撤销
e0109-fix = 请询问授权人
e0110 = 本设备已于 { $when } 被移除
e0110-fix = 在另一台设备上执行 `pumasi device approve`
e0111 = 本设备没有 `{ $bucket }` 的密钥
e0111-fix = 在有密钥的机器上 `pumasi device add`，或 `pumasi recovery restore`
e0112 = 此密钥无法打开 `{ $bucket }`
e0112-fix = `pumasi cloud use NAME`
e0113 = 存储超过 { $limit } 前请先确认恢复短语
e0113-fix = `pumasi recovery check`
e0114 = 成员 { $who } 已冻结：{ $why }
e0114-fix = `pumasi member card { $who }`
e0115 = 已拒绝来自 `{ $value }` 的请求
e0115-fix = `pumasi open`
e0116 = { $thing } 的签名无效
e0116-fix = `pumasi doctor`
e0117 = { $op } 的许可无效：{ $name }
e0117-fix = 无需处理；会立即申请新许可
e0118 = 设备 { $id } 对序号 { $seq } 签署了两份不同内容：可能被复制或回滚
e0118-fix = `pumasi device rm { $id }`，然后重新批准
e0119 = { $thing } 未与此密钥绑定，换一把密钥可能得到别的内容
e0119-fix = 不要信任，请发送者重发
e0120 = 所给密钥派生参数（{ $have }）低于下限（{ $need }）
e0120-fix = `pumasi doctor`，并告知运营者
e0201 = 代理程序未运行
e0201-fix = `pumasi agent start`
e0202 = 本机未出借：{ $why }
e0202-fix = `pumasi up`
e0203 = 没有节点 `{ $id }`
e0203-fix = `pumasi node list`
e0204 = 节点 { $id } 自 { $when } 起离线
e0204-fix = `pumasi node show { $id }`
e0205 = 已用 { $used }，新上限为 { $limit }
e0205-fix = `pumasi lend set disk={ $used }` 或 `--drain`
e0206 = 无法安装服务：{ $why }
e0206-fix = `pumasi agent run`
e0207 = 节点 { $id } 自 { $when } 起被隔离：{ $why }
e0207-fix = `pumasi node show { $id }`
e0208 = 计划版本 { $have } 早于 { $need }
e0208-fix = 无需处理；下次签到时恢复
e0209 = 本云分区已满；{ $other } 尚有空位
e0209-fix = 请索取 { $other } 的邀请码
e0210 = 该机主不得加入：{ $why }
e0210-fix = 请联系运营者
e0211 = 无法到达管理中心：{ $tried }
e0211-fix = `pumasi doctor`
e0212 = { $path } 不是存放本机分片的磁盘
e0212-fix = 请接回该磁盘后重新启动；本云会等待 72 小时。若已永久丢失：先运行 `rm { $file }`，再启动
e0301 = 没有存储桶 `{ $bucket }`，是否 `{ $near }`？
e0301-fix = `pumasi bucket list`
e0302 = 存储桶 `{ $bucket }` 已存在
e0302-fix = 换一个名称
e0303 = 存储桶 `{ $bucket }` 内还有 { $n } 个对象
e0303-fix = `pumasi rm -r my:{ $bucket }/`
e0304 = 没有对象 `{ $key }`
e0304-fix = `pumasi ls`
e0305 = { $key } 在 { $etag } 之后已改变
e0305-fix = 重新读取后再写入
e0306 = 等级 `{ $class }` 需 { $need } 个在线节点；存活 { $live }，合适 { $fit }
e0306-fix = `--class eco` 或 `--wait`
e0307 = 目前可达 { $have }/{ $need } 个分片；预计 { $when } 恢复
e0307-fix = `--wait`
e0308 = { $key } 完整性校验失败；{ $n } 个分片错误
e0308-fix = 重试会读取其他持有节点；`pumasi stat -v`
e0309 = { $key } 写入时编码有误
e0309-fix = 重新上传
e0310 = `{ $name }` 不是合法名称：{ $why }
e0310-fix = `pumasi help names`
e0311 = 存储桶 `{ $bucket }` 上限 { $limit }
e0311-fix = `pumasi bucket set`
e0312 = 此版本保留至 { $when }
e0312-fix = 请等待
e0313 = 无法挂载：{ $why }
e0313-fix = 请使用 WebDAV `127.0.0.1:7781`
e0314 = 范围 { $range } 超出 { $size }
e0314-fix = `pumasi stat`
e0315 = 对 { $pg } 的写租约已结束
e0315-fix = 无需处理；写入方会换用其他放置组
e0316 = { $segment } 的分片与已提交的根不符
e0316-fix = 无需处理；分片已拒绝并记录来源
e0317 = 等级 `{ $class }` 需 { $need } 个常在线成员，现有 { $have }
e0317-fix = `--class eco`，或增加管家节点
e0318 = 没有这个分段上传：{ $why }
e0318-fix = `pumasi upload list`
e0401 = 没有节点能运行 { $job }：{ $cause }
e0401-fix = `pumasi job wait { $job } --capacity`
e0402 = 模块无效：{ $why }
e0402-fix = 请重新构建
e0403 = 模块需要 `{ $name }`，沙箱不提供
e0403-fix = `pumasi explain E0403`
e0404 = 单任务预计 { $t }，超过 { $limit } 须分步执行
e0404-fix = 请拆分输入
e0405 = 任务 { $task } 在 { $n } 个节点上以 { $status } 结束
e0405-fix = `pumasi job logs { $job }`
e0406 = 任务 { $task } 内存超过 { $limit }
e0406-fix = `--memory`
e0407 = { $n } 个节点对 { $task } 结果不一致，未达法定数
e0407-fix = `pumasi job retry { $job } --check strict`
e0408 = 没有作业 `{ $id }`
e0408-fix = `pumasi job list`
e0409 = 作业 { $id } 已 { $state }
e0409-fix = `pumasi job show { $id }`
e0410 = 作业 { $id } 达到上限 { $limit } 而停止
e0410-fix = `pumasi job retry { $id } --max-credits N`
e0411 = 非确定性计算只能在自己或圈内节点运行
e0411-fix = `--trust circle`
e0412 = 服务 { $name }：{ $n } 个副本均不可用
e0412-fix = `pumasi service logs { $name }`
e0413 = 没有输入匹配 `{ $prefix }`
e0413-fix = `pumasi ls`
e0414 = 引擎 { $have } 低于云要求的 { $need }
e0414-fix = `pumasi update`
e0415 = `{ $check }` 校验需 { $region } 内 { $need } 位独立机主，现有 { $have }
e0415-fix = 扩大地域范围或降低 `check`
e0501 = { $host } 未公布对本账户的许可
e0501-fix = `pumasi load verify-target { $host }`
e0502 = { $host } 于 { $when } 撤回许可
e0502-fix = 请询问目标的所有者
e0503 = { $host } 解析为内网地址
e0503-fix = 请使用公网主机，或列为自有目标（`pumasi explain E0503`）
e0504 = 计划 { $rps }/秒，许可上限 { $max }/秒
e0504-fix = 降低 `stages`
e0505 = 场景第 { $line } 行：{ $why }
e0505-fix = `pumasi load lint`
e0506 = { $region } 有 { $have } 个可用节点，需要 { $need }
e0506-fix = 扩大地域范围
e0507 = { $host } 正在进行另一次压测
e0507-fix = `pumasi load list`
e0508 = 阈值 { $expr } 未达标：{ $value }
e0508-fix = `pumasi load report`
e0509 = 压测期间 { $percent } 的时间发压端饱和
e0509-fix = 增加节点
e0510 = 已由 { $brake } 停止：{ $why }
e0510-fix = `pumasi load report`
e0511 = { $host } 现解析到本次压测固定的 { $n } 个地址之外
e0511-fix = `pumasi load verify-target { $host }`
e0512 = 计划要求本节点 { $what }，上限为 { $max }
e0512-fix = 降低 `stages` 或增加节点
e0601 = 需要 { $need }，可用 { $have }（冻结 { $held }）
e0601-fix = 多出借一些，或 `pumasi wallet limit`
e0602 = 已达信用额度；可读，暂停写入
e0602-fix = `pumasi wallet show`
e0603 = 报价后价格由 { $old } 变为 { $new }
e0603-fix = 请重试
e0604 = 转账 { $id } 已存在且内容不同
e0604-fix = 换一个新编号
e0605 = 回执 { $serial } 超出或缺少许可
e0605-fix = `pumasi ledger verify`
e0606 = 冻结 { $id } 已 { $state }
e0606-fix = `pumasi wallet show`
e0607 = 转账编号 { $id } 的时间 { $when } 超出范围
e0607-fix = 换一个新编号，并检查时钟
e0608 = 没有账户 `{ $id }`
e0608-fix = `pumasi member list`
e0609 = 价目 { $row }：支出 { $uses }，来源 { $sources }
e0609-fix = 请更正该行；旧版本仍有效
e0610 = 结算窗口 { $window } 已关闭
e0610-fix = `pumasi wallet statement`
e0611 = 账本校验失败，暂停入账：{ $why }
e0611-fix = 仍可读取；请运营者保留数据库并查看
e0612 = 账目不符：{ $why }
e0612-fix = 请保留该文件及其来源；由运营者与最近一份完好的账比对
e0613 = 需 { $need } 积分，超过允许的 { $most }
e0613-fix = 提高 `--max-credits`，或减少数量；价格见 `pumasi wallet quote`
e0701 = 没有悬赏 `{ $id }`
e0701-fix = `pumasi bounty list`
e0702 = 悬赏 { $id } 处于 { $state }
e0702-fix = `pumasi bounty show { $id }`
e0703 = { $n } 个名额均已认领
e0703-fix = 关注：`pumasi bounty show { $id } --watch`
e0704 = 认领已于 { $when } 结束：{ $why }
e0704-fix = 重新认领
e0705 = 此悬赏要求 { $qual }
e0705-fix = `pumasi bounty show { $id }`
e0706 = 发布者不能认领或评审自己的悬赏
e0706-fix = 请由其他成员进行
e0707 = 拒绝时须指明未满足的验收标准
e0707-fix = `--criterion N --reason …`
e0708 = 评审期于 { $when } 结束，提交已自动验收
e0708-fix = `pumasi wallet statement`
e0709 = 份额合计 { $sum }，应为 10,000
e0709-fix = `--share WHO=BPS`
e0710 = 拒绝过多，评审团正在复核 { $n } 项
e0710-fix = 请等待评审团
e0711 = { $who } 尚未签署份额
e0711-fix = `pumasi bounty share --sign`
e0712 = 两次返修机会已用完，请验收或说明理由拒绝
e0712-fix = `pumasi bounty accept` 或 `reject`
e0713 = 悬赏的 { $resource } 预算已用完
e0713-fix = `pumasi bounty edit --budget`
e0801 = 无法连接管理中心：直连 { $n } 次，中继 { $m } 次；上次 { $when }
e0801-fix = `pumasi doctor`
e0802 = 直连与中继均无法到达 { $node }
e0802-fix = 请重试；会先尝试其他持有节点
e0803 = 中继已满载
e0803-fix = `pumasi node list --relay`
e0804 = 管理中心无法写入数据库：{ $why }
e0804-fix = `pumasi center check`
e0805 = 备份校验失败：{ $why }
e0805-fix = 请使用更早的备份
e0806 = 端口 { $port } 已被占用
e0806-fix = `pumasi config set { $key } …`
e0807 = 发布包未由固定密钥签名
e0807-fix = 请勿安装
e0808 = 管理中心的状态早于本设备已见版本
e0808-fix = `pumasi cloud show --log`，并告知运营者
e0809 = 管理中心为长度 { $n } 的日志签署了两个不同版本；两者均已保存，写入已停止
e0809-fix = `pumasi cloud show --log`，并告知运营者和其他成员
e0810 = 管理中心的 { $field } 与 { $key } 的签名清单不符
e0810-fix = `pumasi doctor --bundle`，并告知运营者
e0811 = `{ $bucket }` 以格式 { $have } 提供，而此前已见格式 { $need }
e0811-fix = 请告知运营者
e0901 = 内部错误；报告位于 { $path }
e0901-fix = 请附上报告
e0902 = 此版本不含 { $feature }
e0902-fix = 请换用其他版本
# 警告：形式同错误，命令继续执行
w0201 = UDP 被阻断，全部经由中继
w0201-fix = 在路由器或防火墙放行 UDP，再执行 `pumasi doctor`
w0202 = 本机没有空闲信号，按使用中处理
w0202-fix = 无人使用的机器可执行 `pumasi lend set profile=always`
w0203 = 本机使用电池，接通电源前不出借
w0203-fix = 接通电源
w0204 = 未找到系统密钥库，本设备的密钥保存在文件中：{ $path }
w0204-fix = 请勿让他人访问该目录；配置系统密钥库后执行 `pumasi doctor`
w0301 = 等级 `{ $class }` 需 { $want } 个备用节点，现有 { $have }
w0301-fix = 邀请更多节点：`pumasi invite`；或 `--class eco`
w0601 = 按当前用量，积分还可用 { $span }
w0601-fix = 多出借一些，或 `pumasi wallet show`
w0801 = 上次联系管理中心是 { $span } 前，所示内容可能已过时
w0801-fix = `pumasi doctor`

# Words
word-error = 错误
word-cause = 原因：
word-fix = 处理：
word-more = 详情：
word-unknown = 未知
word-ago = { $span } 前
word-yes = 可以
word-no = 不可以
word-not-asked = 未要求
explain-head = { $id }（{ $code }），退出码 { $exit }，HTTP { $http }
e0102-explain = 邀请码带有覆盖全部字母的校验和。有字母缺失、多余或改变：聊天软件有时会截断长行。请重新复制整行，从 `pumasi1` 到结尾。
e0104-explain = 邀请码可用次数由生成者决定，默认一次。用过它的机器可以重复加入；其他机器需要自己的邀请码。
e0002-explain = 该值可以读懂，但此处不允许：过大、过小、形式不符，或属于其他字段。没有任何更改。提示中写明了字段、值和原因；只需改正这个值再执行。在命令后加 `--help` 可查看允许的内容。
e0006-explain = 一个目录只供一个云、一个代理程序和一个管理中心使用，以免两个程序写入同一文件。目录正被另一程序占用，或已属于某个云，原因见提示。锁随进程结束而释放，不必手工删除文件。可用 `pumasi status` 查看，用 `pumasi agent stop` 或 `pumasi leave` 结束，或设置 `PUMASI_HOME` 换一个目录。
e0008-explain = 云中的程序按带版本的协议通信，管理中心会说明它能理解的最低版本；旧程序遇到较新的文件或数据库时，同样会拒绝。没有任何更改，你的密钥和分片保持原样。请安装本云使用的版本，可询问运营者。
e0009-explain = 对方未在允许的时间内应答。请求也可能已经执行，重复之前请先查看结果。可用 `--timeout 60s` 延长等待；若再次出现，`pumasi doctor` 会说明问题在网络、时钟还是管理中心。
e0011-explain = 邀请码等权利都有期限，因此管理中心会把本机时钟与自己的比较。时钟偏差过大，有效的邀请码会显得过期，过期的会显得有效，所以拒绝。请开启系统自动校时后重试；`pumasi doctor` 可显示偏差。
e0101-explain = 机器加入后才属于某个云，而此目录中没有加入记录。若有邀请码，请执行 `pumasi join TICKET`；要建立自己的云，请执行 `pumasi init`。若以前加入过，请检查 `PUMASI_HOME` 是否指向了另一个目录。
e0103-explain = 邀请码的有效期由生成者决定，默认 24 小时，以免被遗忘的消息一直是敞开的门。本机没有加入。请索取新的邀请码：对方执行 `pumasi invite`，需要更久可加 `--expires 7d`。若显示的时间不对，请用 `pumasi doctor` 检查本机时钟。
e0105-explain = 管理中心的密钥随邀请码到达本机，此后一直保存。此地址现在出示的是另一把密钥：可能是另一个管理中心、在原地址重建的管理中心，或有人居中冒充。没有向它发送任何内容。请用电话等其他方式向运营者确认是否重建；确认之后才退出，并用新邀请码重新加入。
e0106-explain = 每个操作都需要角色：出借、使用或运营。角色来自加入时的邀请码，而你没有此操作所需的角色。没有任何更改。`pumasi member list` 可查看各成员的角色；请运营者代为执行，或索取带有该角色的邀请码。
e0201-explain = 出借以及与本机有关的命令由代理程序完成，它需要持续运行。它可能已被停止、已退出，或因未安装服务而没有在重启后恢复。请用 `pumasi agent start` 启动；`pumasi agent logs` 可查看结束原因，`pumasi agent install` 可使其在每次重启后恢复。
e0202-explain = 本机拒绝了工作，因为机主的限额不允许，或代理程序即将停止。这不是过失，也不影响评分。`pumasi status` 说明原因和开始时间；`pumasi up` 或 `pumasi resume` 可恢复出借。
e0203-explain = 管理中心不认识此名称、编号或编号前缀。节点在首次加入后列出；若前缀符合多个节点，则不指任何一个。`pumasi node list` 可列出全部节点。
e0206-explain = 代理程序应作为用户级服务在重启后恢复，但系统没有接受，原因见提示。加入仍然有效，数据没有丢失。可在终端执行 `pumasi agent run`，或每次重启后执行 `pumasi up`；没有用户级服务的系统始终可以这样使用。
e0207-explain = 被隔离的节点不再获得新工作，其分片仍可读取。隔离可能由运营者执行，也可能因为同一密钥出现在两台机器上。若是你的节点，请用 `pumasi node show` 查看原因，停止本机的任何副本，并请运营者执行 `pumasi node release`。
e0208-explain = 管理中心给节点的计划带有版本号，版本号从不倒退。收到的计划比节点已有的更旧：可能在途中延迟，或管理中心由旧备份恢复。节点保留较新的计划，下次签到时双方会一致。若持续数小时，请告知运营者。
e0211-explain = 已尝试到管理中心的所有途径：直接连接其地址，以及经由其中继。可能本机离线，防火墙阻断了 UDP 和中继端口，或管理中心停机。出借仍在你的限额之内，代理程序会自动重试。`pumasi doctor` 可显示在哪一步中断。
e0212-explain = 代理程序在分片旁保留一个标记，并在其主目录保留副本。两者不符：存放分片的磁盘或文件夹不在，或是另一个。若以空仓库代替，本云会以为所有分片都已丢失。目前尚未丢失任何内容：分片至少还会计入 72 小时。
e0306-explain = 每个存储等级都把对象的分片分散到许多节点，少数失效也无妨。目前合适的在线节点少于该等级的要求：节点须在线、出借空间并满足存储条件。没有存入不完整的内容。请等待更多节点上线或邀请更多节点；`pumasi node list` 查看在线节点，`pumasi node show` 查看某节点不能存储的原因。
e0307-explain = 只要有足够的分片可达，对象即可读取，不论是哪些分片。目前可达的较少，因为持有节点不在线；这既不表示对象不存在，也不表示已损坏。请在更多节点上线后重试。
e0801-explain = 管理中心没有应答，直连和中继都不行，提示中写明了尝试次数。它可能停机，或本机没有网络。没有它，出借仍按你的限额继续，代理程序会自动重试。`pumasi doctor` 可显示在哪一步中断；若其他人也如此，请告知运营者。
e0804-explain = 管理中心先记录每项更改再答复，而数据库无法写入：磁盘已满或只读、权限改变，或数据库服务器不可用。此前已答复的内容是安全的，这次请求没有执行。请运营者查看原因，腾出空间或恢复访问，然后执行 `pumasi center check`。

# Columns
column-id = 编号
column-name = 名称
column-roles = 角色
column-uses = 已用
column-until = 有效期至
column-state = 状态
column-nodes = 节点
column-joined = 加入时间
column-region = 地域
column-presence = 在线状态
column-does = 当前
column-tier = 等级
column-lent = 出借
column-nat = NAT
column-seen = 最近签到
column-owner = 机主
column-integrity = 完整性
column-audits = 抽检
rank = { $tier }，已 { $span }；{ $why }
rank-no-room = 填充测试需要在出借空间的一半内放下 8 MiB 的分片：请多出借一些
rank-filling = 填充测试：已存 { $stored }，共 { $wanted }（{ $percent } %）
rank-standing = 填充测试：数据已存满，已保持 { $stood }（需 { $wanted }）；已通过抽检 { $audits } 次（需 { $of } 次）；之后升为 T1
rank-failed = 填充测试：数据未被保留，已有 { $tries } 次；{ $until } 起重新发送
rank-probation = 满 { $wanted } 并通过 { $of } 次抽检后升为 T2：目前 { $time }，{ $audits } 次
rank-put-back = 曾丢失分片；再满 { $wanted } 并通过 { $of } 次抽检后恢复为 T2：目前 { $time }，{ $audits } 次
rank-accepts = （在此之前最多接收他人数据 { $size }）
rank-member = 成员身份即为考察；{ $span } 后凭在线率升为 T3
rank-vetted = 已考察；{ $span } 后凭在线率升为 T3
rank-steward = 凭在线率成为管家
node-audits-none = 尚无
node-audits = 已证明 { $proved } 个切片，缺失 { $gone }，错误 { $wrong }，未应答 { $silent } 次；最近一次在 { $span } 前
column-availability = 在线率
node-availability = 一周中 { $share } 的时间在线；离线不影响评分
score-piece = 组 { $pg } 的第 { $slot } 槽（段 { $segment }…）
score-more = 另有 { $n } 个
score-good = 评分 { $score }：良好。低于 { $warn } 时会通知机主；低于 { $ban } 不再分配新工作（从现在起连续 { $bad } 个坏样本）。
score-near = 评分 { $score }：再有 { $bad } 个坏样本就会低于 { $ban }，届时不再分配新工作。{ $good } 个好样本可恢复到 { $warn }。
score-low = 评分 { $score }：低于 { $ban }，不再分配新工作。{ $good } 个好样本可恢复到 { $warn }；运营者可以让它重新工作。
score-see = 原因与办法：pumasi node show { $node }
score-reason-audit_gone = { $at }：{ $bad } 个坏样本：应存的分片已丢失：{ $pieces }；评分 { $before } → { $after }
score-reason-audit_silent = { $at }：{ $bad } 个坏样本：在线却四次未应答关于 { $pieces } 的抽检；评分 { $before } → { $after }
score-reason-audit_wrong = { $at }：{ $bad } 个坏样本：带自身签名的错误字节：{ $pieces }；评分 { $before } → { $after }
score-reason-audit_false = { $at }：{ $bad } 个坏样本：把不合格的抽检判为合格；评分 { $before } → { $after }
score-reason-not_cured = { $at }：{ $bad } 个坏样本：磁盘离开的时间超过了恢复期限；评分 { $before } → { $after }
score-remedy-audit_gone = 分片丢失：检查存放分片的磁盘（`smartctl -H`、`dmesg`），以及是否有程序删除分片目录中的文件。本机先发现并上报的丢失不影响评分。
score-remedy-audit_silent = 未应答：查看 `pumasi doctor` 与 `pumasi agent logs`，检查网络和磁盘的繁忙程度。离线的机器不会被抽检。
score-remedy-audit_wrong = 错误字节：先检查内存和磁盘（`memtester`、`smartctl -H`），再请运营者查看 { $node }；第二个证据会使它退出本云。
score-remedy-audit_false = 错误的抽检：更新程序（`pumasi --version`）；若仍发生，请运营者查看 { $node }。
score-remedy-not_cured = 磁盘离开过：下次请在期限内接回，或先执行 `pumasi leave`；新的分片会自行到来。
column-up = 上行
column-down = 下行
column-fsync = fsync p50 / p99
column-clock = 时钟偏差
column-quarantine = 隔离原因
column-capabilities = 能力
column-missing-after = 离开多久算失联

# Tickets and invites
invite-note = 可用 { $uses } 次，有效期至 { $until }；持有者即可加入，请发给正确的人
invite-next = 下一步：请朋友执行  pumasi join { $ticket }
ticket-state-open = 可用
ticket-state-used = 已用完
ticket-state-expired = 已过期
ticket-state-revoked = 已撤销
ticket-revoked = 邀请码 { $id } 已撤销

# Nodes
node-quarantined = { $node } 不再分配新工作，直到执行：pumasi node release { $node }
node-released = { $node } 已解除隔离
node-renamed = { $node } 已改名为 { $name }
node-does-quarantined = 已隔离：不分配新工作
node-region-refuted = 未知（声明的 { $region } 已被往返时延否定）
presence-on = 在线
presence-suspect = 疑似离线
presence-away = 离开
presence-missing = 失联
presence-holiday = 假期
presence-left = 已退出
presence-unknown = 尚未签到
state-run = 出借中
state-limit = 限量出借
state-pause = 已暂停
state-evict = 已暂停，内存已归还
state-off = 未出借
reason-none = 无
reason-input = 机主正在使用
reason-app = 指定程序正在运行
reason-full_screen = 全屏
reason-battery = 使用电池
reason-metered = 按量计费网络
reason-pressure = 其他程序需要资源
reason-thermal = 过热
reason-owner = 机主已暂停
reason-schedule = 不在时段内
reason-no_signal = 无空闲信号，按使用中处理
reason-down = 机主已停止出借
reason-finishing = 正在完成已有工作
reason-fault = 可自行恢复的故障
evidence-unknown = 未知
evidence-geoip = 按地址
evidence-declared = 声明
evidence-measured = 实测
capability-store = 存储
capability-steward = 管家
capability-relay = 中继
capability-batch = 批处理
capability-long = 长任务
capability-shuffle = 混洗
capability-service = 服务
capability-load = 压测
# 节点为何不能承担某项能力：键即 `Lack::key`，附实测值与要求
lack-accept = 机主尚未同意
lack-lent = 出借 { $have }，需要 { $need }
lack-scratch = 临时空间 { $have }，需要 { $need }
lack-up = 上行 { $have }，需要 { $need }
lack-down = 下行 { $have }，需要 { $need }
lack-nat = NAT 类型为{ $have ->
    [open] 开放
    [easy] 易穿透
    [hard] 难穿透
    [relay_only] 仅中继
   *[unknown] 未知
}，需要{ $need ->
    [open] 开放
    [easy] 易穿透或开放
   *[hard] 可直连（非仅中继）
}
lack-mean_on = 一周中在线 { $have }，需要 { $need }
lack-fsync = 可靠写入耗时 { $have }（p99），需要 { $need }
lack-tier = 等级 { $have }，需要 { $need }
lack-memory = 内存 { $have }，需要 { $need }
lack-reference = { $have ->
    [failed] 基准程序在本节点给出了错误结果
   *[unknown] 基准程序尚未在本节点运行
}
lack-session_age = 已连续在线 { $have }，需要 { $need }
lack-jitter = 抖动 { $have }，需要 { $need }
lack-loss = 丢包 { $have }，需要 { $need }
lack-clock = 时钟偏差 { $have }，需要 { $need }
lack-region = 地域{ $have ->
    [geoip] 仅由地址推断
   *[unknown] 未知
}；加入时请声明（--region），或由往返时延证实
nat-open = 开放
nat-easy = 易穿透
nat-hard = 难穿透
nat-relay_only = 仅中继
nat-unknown = 未知
link-direct = 直连
link-relay = 中继

# Status
status-lending = 正在出借：{ $cores } 核、{ $disk } 磁盘，上行不超过 { $up }。
status-lending-limited = 限量出借（{ $cores } 核、{ $disk } 磁盘，上行不超过 { $up }）：{ $reason }，自 { $since } 起。稍后自动恢复。
status-storage-only = 仅出借 { $disk } 存储：{ $reason }，自 { $since } 起。无屏幕的机器要出借计算：pumasi lend set profile=always
status-paused = 未出借：{ $reason }，自 { $since } 起。仍要出借：pumasi resume
status-off = 未出借：{ $reason }，自 { $since } 起。开始出借：pumasi up
status-duplicate = 未出借：另有程序使用本机密钥。请停止副本，或退出后重新加入。
status-quarantined = 不分配新工作：运营者已隔离本节点。查看：pumasi node show
status-agent-down = 未出借：本机代理程序未运行（{ $cloud }）。启动：pumasi up
status-cloud = { $name }，属于 { $cloud }，方案 { $profile }
status-center = 管理中心：{ $link }，{ $span } 前签到
status-center-first = 管理中心：{ $link }，正在首次签到
status-center-lost = 管理中心：无法连接，正在重试；你的限额照常生效
status-storage = 存储：{ $pieces } 个分片，已用 { $used } / { $disk }
status-over = 这里的数据比出借的多 { $over }：不再接收新的分片，多出的槽正逐个移交给他人，其中 { $moving } 个正在移交
status-blind = 无信号：{ $sensors }（按使用中处理）
status-ledger-forked = 管理中心出示的账本与 { $day } 所见的不同：请告知运营者与其他成员。已保存的根：pumasi ledger roots
status-settle-refused = 自 { $when } 起六小时内提供的服务未能结算：{ $why }
status-lend-error = 出借设置文件有误，沿用上一次有效设置：{ $why }

# Agent and its owner
agent-installed = 服务 { $service } 已安装并运行
agent-uninstalled = 服务已移除
agent-not-installed = 未安装服务
agent-runs-already = 代理程序已在运行
agent-started = 代理程序已运行；日志：{ $log }
agent-stopped = 代理程序已停止
agent-up = { $cloud } 的 { $name } 代理程序正在运行；按 Ctrl-C 结束
told-up = { $state }（{ $reason }）
told-down = { $state }，直到执行：pumasi up
told-pause = { $state }（{ $reason }）。结束暂停：pumasi resume
told-resume = { $state }（{ $reason }）
told-finish = { $state }（{ $reason }）。重新出借：pumasi resume
told-holiday = 假期至 { $until }；不影响评分
leave-drains = 退出 { $cloud }：先移交本机的 { $pieces } 个他人分片。Ctrl-C 不会中断移交；`pumasi leave` 可再次查看，`pumasi leave --stay` 取消退出
leave-left = 待移交：{ $moving } 个槽位正在移交，{ $waiting } 个等待接手
leave-nobody = { $waiting } 个槽位无人可接手：其分片将由其他分片重新生成
leave-stays = 本机留在 { $cloud }
leave-cost = 退出 { $cloud }：本机的 { $pieces } 个他人分片将计为缺失
leave-spool = 挂载目录还有 { $n } 个文件未上传；清除本机密钥后再也无法读取。先运行 `pumasi mount` 上传
leave-confirm = 退出并清除本机的密钥和数据？[Y/n]
leave-untold = 未能通知管理中心（{ $why }）；它会发现缺席
left = 已退出 { $cloud }

# Center
init-made = 云“{ $name }”已建立：密钥、数据库、首位运营者（你）
init-runs = 管理中心已运行：{ $page }（日志：{ $log }）
init-ticket = 首个邀请码，供一位朋友在 24 小时内使用：
init-next = 下一步：发给朋友，或用 pumasi invite 生成更多；在 { $page } 查看节点
center-started = 管理中心已运行：{ $page }
center-stopped = 管理中心已停止；节点保留其数据，再次启动：pumasi center start
center-not-running = 本目录没有运行中的管理中心
center-up = 管理中心运行于 { $addr }，页面 { $page }；按 Ctrl-C 结束
center-check = { $name }（{ $id }）：{ $db } 结构版本 { $schema }，成员 { $members }，节点 { $nodes }，运行中：{ $runs }
center-rebuilt = { $name }（{ $id }）又有了空的数据库。下一步：pumasi center start；节点会自己回来，存储者运行：pumasi recovery rebuild
center-backed-up = 数据库快照（{ $size }）已存入池中，只有你的账户能打开
center-drilled = 恢复可行：不靠管理中心，从 { $holders } 个持有者读出了 { $at } 的快照（{ $size }；{ $pieces } 片，{ $need } 片即够），每一页都完好：成员 { $members }，节点 { $nodes }；共有 { $generations } 代快照
center-restored = 管理中心已从 { $at } 的快照运行（{ $size }，来自 { $holders } 个持有者）：成员 { $members }，节点 { $nodes }。之后的内容：节点会自己告知，存储者运行：pumasi recovery rebuild

# Joining
join-ticket = ✓ 邀请码完整，有效期至 { $until }
join-center = ✓ 已连接“{ $cloud }”的管理中心：{ $link }（{ $addr }），密钥与邀请码一致
join-measuring = … 正在测量处理器、磁盘和网络（最多 15 秒）
join-measured = ✓ 测量结果：{ $cpu } 千循环/秒，fsync { $fsync } 毫秒，磁盘 { $disk } MB/s，上行 { $up }，下行 { $down }，NAT { $nat }
join-quit = 未加入，未留下任何文件
join-offer-ask = 接受？[Enter] 是  [n] 否
join-service = ✓ 服务 { $service } 会在重启后恢复代理程序
join-detached = ✓ 代理程序在后台运行（{ $why }）；重启后请执行 pumasi up（日志：{ $log }）
join-done = 你正以 { $name } 的名义出借给 { $cloud }。
join-done-use = 你已以 { $name } 加入 { $cloud }；本机不出借。
offer-idle = 空闲时：{ $cores } 的处理器、{ $free } 可用磁盘中的 { $disk }，上行不超过 { $up }
offer-in-use = 使用时：{ $cores } 的处理器，上行不超过 { $up }
offer-never = 不使用电池和按量计费网络，不阻止休眠；随时更改：pumasi lend set …
offer-battery = 按你的设置，使用电池或按量计费网络时也出借
offer-headless = 本机没有空闲信号，按使用中处理：此方案只出借存储；无人使用的机器可用 profile=always 出借计算
offer-profile = 方案 { $profile }；在此条件下出借处理器：{ $when }
offer-memory = 空闲时内存不超过 { $memory }
offer-net = 空闲时上行不超过 { $up }，下行不超过 { $down }；使用时上行 { $up_in_use }，下行 { $down_in_use }
offer-yields = 你一动键盘或鼠标，计算就暂停
offer-keeps = 键盘和鼠标不会使其暂停：此方案用于无人使用的机器
offer-transfer = 每月双向流量不超过 { $transfer }；每存 1 GB 每月最多消耗其中 0.19 GB，因此分片最多占用 { $disk }
offer-accept = 接受：{ $accept }；压测和中继须由你另行同意：pumasi lend set accept=…

# Lend
lend-profile = 方案 { $profile }（pumasi lend set profile=whisper|generous|night|always）
lend-disk = 磁盘：{ $disk }
lend-net = 上限：上行 { $up }，下行 { $down }
lend-transfer = 每月流量：{ $transfer }
lend-accept = 接受：{ $accept }
lend-pause-for = 为这些程序暂停：{ $apps }
lend-now = 当前允许：{ $cores } 核、{ $memory } 内存，上行 { $up }，下行 { $down }
lend-set = 已生效：{ $what }
lend-set-file = 已写入 { $file }；代理程序运行后生效
lend-unlimited = 不限
lend-profile-default = 按方案

# Doctor
doctor-ok = 正常
doctor-warn = 注意
doctor-fail = 失败
doctor-home = 本机目录：{ $path }
doctor-disk = 可用磁盘：{ $free }
doctor-disk-memory = 数据位于内存盘，重启后会丢失：{ $path }
doctor-joined = 已加入 { $cloud }，名称 { $name }
doctor-not-joined = 本机尚未加入任何云
doctor-agent = 代理程序正在运行（pid { $pid }）
doctor-agent-down = 代理程序未运行
doctor-center = 已连接管理中心：{ $link }，{ $ms } 毫秒
doctor-center-down = 无法连接管理中心：{ $why }
doctor-clock = 时钟与管理中心相差 { $skew }
doctor-clock-wrong = 时钟与管理中心相差 { $skew }
doctor-nat = NAT：{ $nat }
doctor-udp-blocked = UDP 被阻断，全部经由中继
doctor-sensors = 空闲信号：{ $sensors }
doctor-sensors-none = 本机没有空闲信号：按使用中处理
doctor-walls = 外来任务的隔离墙：第 { $level } 级，{ $standing }
doctor-walls-low = 外来任务的隔离墙：第 { $level } 级，陌生人的任务需要第 { $needed } 级：本机只运行自己和圈子的任务；缺少：{ $missing }
doctor-walls-none = 本机无法启动沙箱，因此不接任务：{ $why }
doctor-service = 已安装服务：{ $service }
doctor-service-none = 未安装服务：重启后请执行 pumasi up（{ $why }）
doctor-lend = 出借设置有效
doctor-lend-bad = 出借设置有误：{ $why }

# Storage
cp-put = 已存入 { $place }：{ $size }，{ $nodes } 个节点上的 { $pieces } 个分片（{ $scheme }）；{ $survive }
cp-get = 已读取 { $place }：{ $size }，写入 { $file }
cp-put-inline = 已存入 { $place }：{ $size }，内容在管理中心的清单里
cp-many = 已存入 { $n } 个文件到 { $place }
cp-many-got = 已读取 { $n } 个对象到 { $file }
cp-copied = { $place } 是 { $from } 的另一个名字，没有移动分片
rm-done = 已从 { $place } 删除 { $n } 个，可用 `pumasi object undelete` 恢复
mv-done = { $from } 现在是 { $place }
undelete-done = { $place } 已恢复：{ $size }
stat-object = 
    { $place }
    大小      { $size }（{ $bytes } 字节）
    提交时间  { $at }
    修改时间  { $changed }
    版本      { $version }
    BLAKE3    { $hash }
bucket-made = 已建立 { $place }
bucket-uncovered = { $owners } 位机主的 { $nodes } 台机器平均在线 { $on }；一周中最差的一小时（UTC 周一 00:00 起第 { $hour } 小时），能开出的最好的组只有 { $z } 个标准差，需要 { $z_need } 个
bucket-removed = 已删除 { $place }
bucket-foreign-key = （其他密钥）
bucket-show = 
    { $place }：{ $objects } 个对象，含全部版本共 { $size }（加封后），{ $changes } 次变更
    等级 { $class }，分片所在地域：{ $regions }；建立于 { $at }，编号 { $id }
regions-any = 不限
survives-any = { $scheme }：{ $nodes } 台电脑中任意 { $n } 台可以同时失效；{ $pieces } 个分片中 { $on } 个在线，{ $readable }
survives-staged = 本机的副本还在时可承受更多：{ $n } 个段留在本机，直到足够多的电脑持有它们
survives-reads = 现在可读
survives-waits = 现在不足以读取
survives-domains = 任何一位机主、一个网络、一个国家或一类系统整体失效后仍可读
survives-not = 以下整体失效后无法读取：{ $domains }
survives-partial = （只检查了部分段）
survives-nothing-yet = 还没有任何内容在节点上
version-removed = 已删除
version-dropped = { $size }，已按编号删除
column-objects = 对象
column-made = 建立时间
column-version = 版本
sync-done = 复制 { $n } 个，删除 { $gone } 个，{ $same } 个相同
sync-would = 将复制 { $n } 个，删除 { $gone } 个，{ $same } 个相同
cp-survives = 其中任意 { $n } 个可以失效
cp-progress = { $phase } { $done } / { $total }，{ $rate }/秒
phase-seal = 加封与编码
phase-send = 发送
phase-fill = 补齐
phase-commit = 提交
phase-read = 读取
put-waits = 等待存储节点：{ $need } 个中有 { $on } 个在线
column-size = 大小
column-key = 键
column-changed = 修改时间

# Pages
page-title = { $cloud } 的节点群
page-lent = { $nodes } 个节点共出借 { $lent }
page-caption = 节点、当前状态与出借资源
page-empty = 尚无节点加入。邀请朋友：pumasi invite
page-asof = 截至 { $when }
page-skip = 跳到表格
page-more = 另有 { $n } 个节点未显示；pumasi node list 可查看全部

# Demo
demo-head = 本机上的完整云：1 个管理中心、{ $nodes } 个节点，种子 { $seed }，数据位于 { $dir }
demo-tmpfs = 注意：该目录位于内存，磁盘数据无意义
demo-page = 节点群页面：{ $page }
demo-stays = 保持运行：请查看 { $page }，按 Ctrl-C 结束
demo-passed = { $all } 项检查通过 { $passed } 项，用时 { $span }
demo-cleaned = 所有进程已结束，目录已删除
demo-center_up = 管理中心已就绪：数据库、端点、中继、页面
demo-nodes_join = { $n } 台机器凭邀请码加入，各有成员、地域和地址
demo-join_by_ticket = 最后一台用一条命令加入并出借
demo-checked_in = 所有节点在线，地域与声明一致
demo-probed = 已测量节点的处理器、磁盘和网络
demo-put_cli = 真实文件已加封、编码，足够多的节点已确认
demo-tree_cli = 含 { $n } 个小文件的目录存入后逐字节读回
demo-in_parts = 一个对象分两段上传，后段先到；不属于任何云的机器通过链接存入文件
demo-names_logged = 存储桶的改动加密后存入它自己的分片之中，名字因此不依赖中心
demo-names_back = 剩下的 { $n } 个节点仅凭定位符就找到它们；从中读出的名字与中心一致
demo-healed = { $n } 台新电脑加入；死去的节点被视为失踪后，它们保管的分片重新生成（此处时间缩短 4,320 倍：72 小时为一分钟）
demo-liar_found = 一台新电脑以错误字节应答抽检：其自身签名即为证据，不再分配工作（此处两次抽检间隔的 6 小时为 5 秒）
demo-outlived = 最初的电脑全部被杀；一切都能从后来的 { $n } 台读出
demo-names = 文件改名、删除、恢复，没有移动一个字节
demo-filled = 各节点补做了上传者未发送的分片，每个节点都有自己的一份（此处节点每 12 秒联系一次）
demo-bucket_says = 存储桶说明 { $n } 台电脑中几台可以同时失效
demo-get_cli = 逐字节读回一致
demo-put_s3 = 一个工具通过成员自己机器上的网关，用 `S3` 存入 64 `MiB`
demo-get_s3 = 它逐字节读回一致，整体和部分都是
demo-get_webdav = 文件管理器在文件夹里找到它，并通过 `WebDAV` 逐字节读回
demo-nothing_in_clear = 节点与管理中心的文件中找不到文件内容或名称
demo-majority_dead = 杀死 { $n } 个节点后文件仍可读取
demo-honest_degraded = 再杀死一个：明确提示分片不足，而非不存在或错误
demo-node_suspect = 被杀节点在 15 秒内标为疑似离线
demo-owner_pause = 机主输入使节点暂停；显示为机主暂停，不扣分
demo-owner_back = 失效节点恢复后重新在线

# 命令行帮助；键与命令树一致。
help = pumasi 互助云：由普通电脑组成。出借闲置，取用所需。
help-values = {""}（{ $values }）
help-default = {""}（默认 { $value }）
help-heading-usage = 用法：
help-heading-commands = 命令
help-heading-options = 选项
help-heading-arguments = 参数
help-heading-examples = 示例：
help--help = 显示帮助
help--version = 显示版本
help--output = 输出形式：human、json、plain、id
help--json = 等同于 -o json
help--quiet = 只输出结果
help--verbose = 输出更多信息（可重复）
help--yes = 对所有提问回答“是”
help--lang = 语言：en 或 zh
help--no_color = 不使用颜色
help--timeout = 单次调用的最长等待时间
help-demo = 在本机运行一个完整的云并逐项检查
help-demo-examples = 
    pumasi demo --once
    pumasi demo --once --json
help-demo--nodes = 节点数（5 到 11）
help-demo--once = 检查后结束，不保持运行
help-demo--seed = 随机种子
help-demo--dir = 数据目录，须位于真实文件系统
help-init = 把本机设为新云的管理中心和第一个节点
help-init-examples = pumasi init --name "Chen family"
help-init--name = 云的名称
help-init--no_node = 只作管理中心，本机不出借
help-init--node_name = 本机的节点名
help-init--region = 本机所在地域，例如 asia/kr/seoul
help-init--bind = 监听地址
help-init--port = 机器连接用的 UDP 端口（0 为任意）
help-init--relay_port = 中继的 TCP 端口（0 为任意）
help-init--http = 页面与指标的地址
help-init--db = 数据库：sqlite:路径 或 postgres://…
help-init--public = 允许陌生人加入：其机器须先经考察才计入
help-init--dev = 测试用管理中心
help-init--foreground = 在此终端中运行
help-invite = 生成邀请码
help-invite-examples = 
    pumasi invite --name "Li's PC"
    pumasi invite --role lend --uses 20 --expires 7d
help-invite--name = 给谁
help-invite--role = 角色：lend、use、both、operator
help-invite--uses = 可用次数
help-invite--expires = 有效期
help-join = 用邀请码加入云并开始出借
help-join-examples = 
    pumasi join pumasi1…
    pumasi join pumasi1… --yes --name desk --region europe/de
help-join--ticket = 收到的邀请码
help-join--name = 本机名称
help-join--region = 本机所在地域，例如 asia/kr/seoul
help-join--bind = 本机绑定的地址
help-join--profile = 出借方案：whisper、generous、night、always
help-join--disk = 出借空间，例如 10GiB
help-join--no_lend = 只使用，不出借
help-join--no_probe = 跳过 15 秒测量
help-join--no_service = 不安装服务
help-join--foreground = 在此终端中出借，直到结束
help-join--sensors = system，或测试用 scripted
help-leave = 移交后退出；--now 立即退出
help-leave-examples = 
    pumasi leave
    pumasi leave --now
    pumasi leave --to new-pc
help-leave--now = 立即退出
help-leave--to = 移交给自己的这台电脑
help-leave--stay = 不再退出
help-leave--keep = 保留密钥和数据目录
help-holiday = 声明假期：不算过失
help-holiday-examples = pumasi holiday 14d
help-holiday--time = 多久，最多 30 天
help-up = 开始出借
help-up-examples = pumasi up
help-down = 停止出借，直到 `up`
help-down-examples = pumasi down
help-pause = 暂停出借
help-pause-examples = 
    pumasi pause
    pumasi pause 1h
    pumasi pause until-idle
    pumasi pause tomorrow
help-pause--time = 时长、until-idle 或 tomorrow；不写则直到 `resume`
help-resume = 结束暂停
help-resume-examples = pumasi resume
help-finish = 完成正在运行的工作后暂停
help-finish-examples = pumasi finish
help-lend = 本机的出借设置
help-lend-examples = 
    pumasi lend show
    pumasi lend set profile=generous disk=50GiB
help-lend-show = 显示出借设置和当前限额
help-lend-show-examples = pumasi lend show
help-lend-set = 修改出借设置；一秒内生效，无需管理中心
help-lend-set-examples = 
    pumasi lend set profile=night
    pumasi lend set disk=50GiB up=5Mbit/s pause_for=steam,obs
help-lend-set--values = 键=值：profile、disk、up、down、monthly_transfer、reset_day、accept、pause_for
help-status = 一屏状态：是否出借及原因
help-status-examples = 
    pumasi status
    pumasi status --json
help-status--watch = 每秒刷新
help-doctor = 逐项检查本机并给出修复方法
help-doctor-examples = pumasi doctor
help-cp = 把文件复制到云中或取出
help-cp-examples = 
    pumasi cp photo.jpg my:album/photo.jpg
    pumasi cp my:album/photo.jpg back.jpg
help-cp--from = 文件，或 my:存储桶/键
help-cp--to = my:存储桶/键，或文件
help-cp--recursive = 目录或前缀下的全部内容
help-cp--no_overwrite = 目标已存在时拒绝
help-cp--full = 等到每台在线的电脑都有自己的分片，而不只是足够多的电脑
help-cp--max_credits = 若存储一个月或读取一次的费用超过此数则拒绝
help-rm = 删除对象（可恢复）
help-rm-examples = 
    pumasi rm my:album/photo.jpg
    pumasi rm -r my:album/2019/
help-rm--place = my:存储桶/键；递归删除时为键的前缀
help-rm--recursive = 键以此开头的全部对象
help-mv = 给对象改名，不移动分片
help-mv-examples = pumasi mv my:album/a.jpg my:album/b.jpg
help-mv--from = 旧名字
help-mv--to = 同一存储桶中的新名字
help-cat = 把对象写到标准输出
help-cat-examples = 
    pumasi cat my:album/photo.jpg > photo.jpg
    pumasi cat my:logs/today.txt --range -512
help-cat--place = my:存储桶/键
help-cat--range = 起止字节（均含）：0-1023、1024-，或 -512 表示末尾
help-stat = 对象的大小、时间、版本和散列值
help-stat-examples = pumasi stat my:album/photo.jpg --json
help-stat--place = my:存储桶/键
help-sync = 单向同步目录与前缀
help-sync-examples = 
    pumasi sync Documents my:papers/
    pumasi sync my:papers/ restored --dry-run
help-sync--from = 目录，或 my:存储桶/前缀
help-sync--to = my:存储桶/前缀，或目录
help-sync--delete = 删除对方多出的内容（云中的可以恢复）
help-sync--dry_run = 只说明将要做什么
help-bucket = 自己的存储桶
help-bucket-create = 建立存储桶
help-bucket-create-examples = 
    pumasi bucket create album
    pumasi bucket create papers --region asia/kr
help-bucket-create--name = 名字，只有自己能读
help-bucket-create--class = 需要承受的损失；小的云只有一种编码
help-bucket-create--region = 分片只能放在这些地域（可多次指定）
help-bucket-create--regions_min = 分片至少分布在几个国家
help-bucket-list = 列出自己的存储桶
help-bucket-list-examples = pumasi bucket list
help-bucket-show = 存储桶的内容，以及它现在能承受的损失
help-bucket-show-examples = pumasi bucket show album
help-bucket-show--name = 名字
help-bucket-rm = 删除空的存储桶
help-bucket-rm-examples = pumasi bucket rm album
help-bucket-rm--name = 名字
help-object = 对象的版本
help-object-versions = 对象的全部版本，新的在前
help-object-versions-examples = pumasi object versions my:album/photo.jpg
help-object-versions--place = my:存储桶/键
help-object-undelete = 恢复已删除的对象
help-object-undelete-examples = pumasi object undelete my:album/photo.jpg
help-object-undelete--place = my:存储桶/键
help-object-undelete--version = 哪一个版本，按 `object versions` 所列；也可以是按编号删除的版本
help-ls = 列出存储桶内容
help-ls-examples = pumasi ls my:album/
help-ls--place = my:存储桶/ 或 my:存储桶/前缀
help-node = 云中的节点
help-node-list = 列出节点
help-node-list-examples = 
    pumasi node list
    pumasi node list --region asia/kr --json
help-node-list--mine = 只看自己的
help-node-list--region = 只看该地域
help-node-show = 查看节点：测量结果、能力及原因
help-node-show-examples = pumasi node show li-desktop
help-node-show--node = 名称、编号或编号前缀
help-node-quarantine = 隔离节点，不再分配新工作
help-node-quarantine-examples = pumasi node quarantine li-desktop --why "wrong bytes"
help-node-quarantine--node = 名称、编号或编号前缀
help-node-quarantine--why = 向机主说明的原因
help-node-release = 解除隔离
help-node-release-examples = pumasi node release li-desktop
help-node-release--node = 名称、编号或编号前缀
help-node-rename = 重命名节点
help-node-rename-examples = pumasi node rename li-desktop desk
help-node-rename--node = 名称、编号或编号前缀
help-node-rename--name = 新名称
help-ticket = 已发出的邀请码
help-ticket-create = 生成邀请码
help-ticket-create-examples = pumasi ticket create --role use
help-ticket-create--name = 给谁
help-ticket-create--role = 角色：lend、use、both、operator
help-ticket-create--uses = 可用次数
help-ticket-create--expires = 有效期
help-ticket-list = 列出邀请码
help-ticket-list-examples = pumasi ticket list
help-ticket-revoke = 撤销邀请码
help-ticket-revoke-examples = pumasi ticket revoke tabcd
help-ticket-revoke--id = 编号或其前缀
help-member = 云中的成员
help-member-list = 列出成员
help-member-list-examples = pumasi member list
help-agent = 本机的代理程序
help-agent-run = 在此终端中运行代理程序
help-agent-run-examples = pumasi agent run
help-agent-run--sensors = system，或测试用 scripted
help-agent-start = 启动代理程序：已装服务则用服务，否则后台运行
help-agent-start-examples = pumasi agent start
help-agent-stop = 停止代理程序
help-agent-stop-examples = pumasi agent stop
help-agent-install = 安装用户级服务
help-agent-install-examples = pumasi agent install
help-agent-uninstall = 移除用户级服务
help-agent-uninstall-examples = pumasi agent uninstall
help-agent-logs = 显示代理程序日志末尾
help-agent-logs-examples = pumasi agent logs
help-agent-logs--lines = 行数
help-agent-script = 测试用传感器事件
help-agent-script-examples = pumasi agent script input
help-agent-script--event = 事件：input、idle、app、battery、metered、fullscreen、thermal、clear
help-center = 管理中心
help-center-run = 在此终端中运行管理中心
help-center-run-examples = pumasi center run
help-center-start = 在后台启动管理中心
help-center-start-examples = pumasi center start
help-center-stop = 停止本目录的管理中心
help-center-stop-examples = pumasi center stop
help-center-check = 检查管理中心的设置、密钥和数据库
help-center-check-examples = pumasi center check
help-center-rebuild = 凭旁边的密钥重建丢失的数据库；其余由节点和存储者重新告知
help-center-rebuild-examples = pumasi center rebuild
help-center-rebuild--name = 互助云的名字（本机不知道时）
help-center-backup = 现在就把数据库快照存入池中；管理中心旁的节点程序每晚自动做
help-center-backup-examples = pumasi center backup
help-center-restore = 用池中最新的快照替换数据库；先重建并启动管理中心
help-center-restore-examples = pumasi center restore
help-center-drill = 证明恢复可行：只从持有者读出最新的快照并检查
help-center-drill-examples = pumasi center drill
help-explain = 错误的详细说明（离线）
help-explain-examples = pumasi explain E0102
help-explain--id = 编号，例如 E0102
help-bench = 测量并输出数据
help-bench-center = 用模拟节点测量管理中心的签到速度
help-bench-center-examples = pumasi bench center --nodes 10000 --sockets 200 --json
help-bench-center--nodes = 模拟节点数
help-bench-center--sockets = 真实连接数，其余共用
help-bench-center--time = 测量时长
help-bench-center--seed = 随机种子
help-bench-center--period = 模拟节点的签到间隔
help-bench-center--restart = 杀死管理中心并观察恢复
help-bench-center--dir = 工作目录，结束后保留
help-bench-storage = 在本机十个节点的云上测量存取
help-bench-storage-examples = pumasi bench storage --json
help-bench-storage--mib = 每项测量传输的 MiB 数
help-bench-storage--rows = 为称量而生成的段与版本的行数
help-bench-storage--only = 只测名称含此文本的负载；memory 和 soak 只在写明时才测
help-bench-storage--seed = 随机种子
help-bench-storage--dir = 工作目录（须在磁盘上），结束后保留
help-bench-gateway = 在本机十个节点的云上测量 `S3` 相对客户端的开销
help-bench-gateway-examples = pumasi bench gateway --json
help-bench-gateway--mib = 每项测量传输的 MiB 数
help-bench-gateway--seed = 随机种子
help-bench-gateway--only = 只测名称含此文本的负载：`64mib_c1` 或 `4kib_c8`
help-bench-gateway--dir = 工作目录（须在磁盘上），结束后保留
help-bench-ledger = 在 SQLite 与 PostgreSQL 上测量账本每秒持久化的转账数
help-bench-ledger-examples = pumasi bench ledger --json
help-bench-ledger--callers = 同时的调用方数，各自等待答复
help-bench-ledger--time = 每项测量时长
help-bench-ledger--postgres = 使用的空数据库；不给出时，若已安装 PostgreSQL 则临时启动
help-bench-ledger--only = 仅测名称含此文字的指标
help-bench-ledger--dir = 工作目录（须在磁盘上），结束后保留
help-bench-report = 由测量数据生成 docs/performance.md
help-bench-report-examples = pumasi bench report figures.jsonl > docs/performance.md
help-bench-report--files = 数据文件，每行一个对象
help-dev = 供本项目测试使用
help-dev-agents = 以真实协议运行模拟节点
help-dev-agents-examples = pumasi dev agents --count 1000 --ticket pumasi1…
help-dev-agents--count = 节点数
help-dev-agents--sockets = 真实连接数
help-dev-agents--seed = 随机种子
help-dev-agents--bind = 套接字使用的地址
help-dev-agents--warmup = 开始计数前等待多久
help-dev-agents--fault = 模拟节点扮演的故障，可多次指定
help-dev-agents--ticket = 测试管理中心的邀请码
help-dev-agents--time = 时长
help-dev-massacre = 反复同时杀死十个真实节点中的六个，并读回全部内容
help-dev-massacre-examples = pumasi dev massacre --choices 30
help-dev-massacre--choices = 杀死多少组六个节点
help-dev-massacre--seed = 随机种子
massacre-said = 刚确认时，存储桶可承受一台电脑失效；上传者的副本还在时更多
massacre-full = 每个节点都持有 64 MiB 的自己那一份
massacre-six_dead = 第 { $n } 组：十个中的六个同时被杀死，文件逐字节读回
massacre-seven_dead = 十个中的七个被杀死：告知分片不足，并给出两个数字

# 测量数据
bench-checkins_per_s = 每秒签到次数
bench-checkin_p50_ms = 签到响应时间中位数（毫秒）
bench-checkin_p99_ms = 签到响应时间第 99 百分位（毫秒）
bench-checkin_max_ms = 签到最长响应时间（毫秒）
bench-checkins_failed = 未得到答复或被拒绝的签到次数
bench-presence_bytes_per_node = 管理中心自计每个节点的在线状态内存（字节）
bench-row_bytes_per_node = 每个节点占用的数据库空间（成员、设备、节点、邀请使用、事件，字节）
bench-missing_after_restart = 管理中心重启后被判定为失踪的节点数
bench-checkin_cpu_us = 每次签到占用管理中心的处理器时间（微秒）
bench-bytes_per_node = 每个节点占用管理中心的内存（字节）
bench-bytes_per_node_without_links = 不计连接，每个节点占用管理中心的常驻内存（字节）
bench-bytes_per_link = 每个连接占用管理中心的内存（字节）
bench-rows_written = 写入数据库的行数
bench-back_after_restart_s = 管理中心重启后全部节点恢复所需时间（秒）
bench-transfers_per_s_sqlite = SQLite 上经管理中心接口的每秒转账数（查权限、验签名、已持久化）
bench-transfers_per_s_postgres = PostgreSQL 上经管理中心接口的每秒转账数（查权限、验签名、已持久化）
bench-transfer_p99_ms = SQLite 上经接口每秒 5,000 笔时转账等待，第 99 百分位（毫秒）
bench-transfer_p99_ms_postgres = PostgreSQL 上经接口每秒 2,000 笔时转账等待，第 99 百分位（毫秒）
bench-transfers_per_s_store_sqlite = SQLite 上仅存储层的每秒转账数（已持久化）
bench-transfers_per_s_store_postgres = PostgreSQL 上仅存储层的每秒转账数（已持久化）
bench-transfer_p99_ms_store = SQLite 上仅存储层每秒 5,000 笔时转账等待，第 99 百分位（毫秒）
bench-transfer_p99_ms_store_postgres = PostgreSQL 上仅存储层每秒 2,000 笔时转账等待，第 99 百分位（毫秒）
bench-verify_rows_per_s = `ledger verify` 每秒从导出的账本读取并重新累加的行数
bench-transfer_bytes = SQLite 上一笔带签名转账占用的磁盘，含索引、签名与所摊区块（字节）
bench-no-postgres = 此处未安装 PostgreSQL：略去其数据
bench-put_64mib_c1 = 写入 64 MiB 对象，1 个写者
bench-put_64mib_c4 = 写入 64 MiB 对象，4 个写者
bench-get_64mib_c1 = 读取 64 MiB 对象，1 个读者
bench-get_64mib_c4 = 读取 64 MiB 对象，4 个读者
bench-put_1mib_c4 = 写入 1 MiB 对象，4 个写者
bench-get_1mib_c4 = 读取 1 MiB 对象，4 个读者
bench-put_4kib_c8 = 写入清单内的 4,096 字节，8 个写者
bench-get_4kib_c8 = 读取清单内的 4,096 字节，8 个读者
bench-put_4097b_c8 = 写入节点上的 4,097 字节，8 个写者
bench-get_4097b_c8 = 读取节点上的 4,097 字节，8 个读者
bench-put_full_cpu_s_per_gib = 写入至全部分片就绪，每 GiB 占用全部进程的处理器时间
bench-put_cpu_s_per_gib = 存入直到确认，每 GiB 所有进程的处理器时间
bench-put_full_mb_per_s = 存入 64 MiB 直到所有分片到位
bench-uplink_ratio = 每字节内容的上传字节数
bench-get_cpu_s_per_gib = 读取，每 GiB 所有进程的处理器时间
bench-seal_kernel_mb_s = 仅加密，单核
bench-code_kernel_mb_s = 仅编码，单核
bench-hash_kernel_mb_s = 仅所有分片的散列，单核
bench-seal_code_hash_mb_s = 加封、编码并散列全部 144 个分片，单核
bench-seal_code_hash_share = 相对三个内核串行之和
bench-writer_peak_mib = 写入进程的最大内存（含 64 MiB 测试数据）
bench-s3_put_64mib_c1 = 经 `S3` 写入 64 MiB 对象，逐个
bench-client_put_64mib_c1 = 同上，直接经客户端
bench-s3_put_64mib_over_client = 写入 64 MiB：`S3` 与客户端的耗时之比
bench-s3_get_64mib_c1 = 经 `S3` 读取 64 MiB 对象，逐个
bench-client_get_64mib_c1 = 同上，直接经客户端
bench-s3_get_64mib_over_client = 读取 64 MiB：`S3` 与客户端的耗时之比
bench-client_put_4kib_c8 = 经客户端写入 4,096 字节的对象，8 路并发
bench-client_put_4kib_c8_p50_ms = 同上，单个请求的中位数（毫秒）
bench-client_put_4kib_c8_p99_ms = 同上，单个请求的第 99 百分位（毫秒）
bench-s3_put_4kib_c8 = 经 `S3` 写入 4,096 字节的对象，8 个连接
bench-s3_put_4kib_c8_p50_ms = 同上，单个请求的中位数（毫秒）
bench-s3_put_4kib_c8_p99_ms = 同上，单个请求的第 99 百分位（毫秒）
bench-client_get_4kib_c8 = 经客户端读取 4,096 字节的对象，8 路并发
bench-client_get_4kib_c8_p50_ms = 同上，单个请求的中位数（毫秒）
bench-client_get_4kib_c8_p99_ms = 同上，单个请求的第 99 百分位（毫秒）
bench-s3_get_4kib_c8 = 经 `S3` 读取 4,096 字节的对象，8 个连接
bench-s3_get_4kib_c8_p50_ms = 同上，单个请求的中位数（毫秒）
bench-s3_get_4kib_c8_p99_ms = 同上，单个请求的第 99 百分位（毫秒）
bench-s3_head_c8 = 经 `S3` 查询对象信息，8 个连接
bench-s3_head_c8_p50_ms = 同上，单个请求的中位数（毫秒）
bench-s3_head_c8_p99_ms = 同上，单个请求的第 99 百分位（毫秒）
bench-s3_put_cpu_s_per_gib = 经 `S3` 写入：每 `GiB` 所有进程的处理器时间
bench-client_put_cpu_s_per_gib = 同上，直接经客户端
bench-s3_get_cpu_s_per_gib = 经 `S3` 读取：每 `GiB` 所有进程的处理器时间
bench-client_get_cpu_s_per_gib = 同上，直接经客户端
bench-segment_row_bytes = 每个段占用的数据库空间（含索引）
bench-object_row_bytes = 每个版本占用的数据库空间（含索引，不含提交记录和清单）
bench-commit_per_s = 内联对象的持久提交（验证签名，SQLite）
bench-commit_one_segment_5_per_s = 单段对象的持久提交，各验证 5 份回执
bench-commit_one_segment_44_per_s = 同上，各验证 44 份回执

# 账户、设备、恢复、授权
recovery-none = 恢复：还没有恢复短语。这台机器一旦丢失，存的数据就全部丢失：pumasi recovery phrase
recovery-unchecked = 恢复：{ $at } 的恢复短语从未核对过：pumasi recovery check
recovery-elsewhere = 恢复：已有 { $at } 的恢复短语，显示在你的另一台机器上；试一试：pumasi recovery drill
recovery-old = 恢复：恢复短语上次核对是 { $at }，已经很久：pumasi recovery check
recovery-good = 恢复：恢复短语已于 { $at } 核对
recovery-replace-ask = 已有 { $at } 的恢复短语；新的会使它失效。继续吗？[Y/n]
recovery-phrase-head = 请把这 24 个词按顺序写在纸上。它们只显示一次，任何地方都不保存。
    谁有它们，谁就有你的数据。

recovery-phrase-tail =
    凭它们和这个地址，任何新机器都能找回一切：

      pumasi recovery restore { $address }

    下一步：pumasi recovery check
recovery-word-ask = 恢复短语的第 { $n } 个词：
recovery-phrase-ask = 恢复短语的 24 个词：
recovery-checked = { $n } 个词都对；恢复短语记得很好
recovery-drilled = 只凭恢复短语就打开了账户和全部 { $n } 个存储桶，其中 { $logged } 个的名字不靠中心也能从池中恢复；没有改动任何东西
recovery-brought = 管理中心不认识这个账户；已从池中找回：设备日志 { $devices } 条，存储桶 { $buckets } 个
recovery-bucket = { $name }：{ $changes } 次更改之后有 { $names } 个名字，来自 { $logs } 份日志；{ $lost } 个现在读不出，{ $unlogged } 次更改不在任何日志中
recovery-rebuilt = 找回 { $n } 个存储桶，共 { $names } 个名字；重新告知 { $changes } 次更改，{ $lost } 个现在读不出，{ $failed } 个存储桶失败
device-ticket = 请在 { $span } 内在新机器上输入：

      pumasi join { $ticket }

    它会显示六位数字。正在等待…
device-digits = 六位数字：{ $digits }
    请在给出邀请码的机器上输入它们。
device-digits-ask = { $name } 请求加入。它显示的六位数字：
device-digits-wrong = 数字不对；还可以试 { $n } 次
device-added = { $name } 现在是你的设备，持有你的密钥
device-remove-ask = { $name } 将不能再代表你；它读过的内容可能仍在它上面。继续吗？[Y/n]
device-removed = { $name } 不再是你的设备
device-state-here = 本机
device-state-active = 有效
device-state-removed = 已移除
grant-narrowed = 可打开 { $place }，最晚到{ $until }；来源链接失效时一同失效
share-done = 可打开 { $place }，直到{ $until }；拿到链接的人可在其中做：{ $ops }。终止：pumasi grant revoke { $id }
grant-forever = 被撤销为止
grant-shown = 允许对 { $base } 做 { $ops }，直到{ $until }；{ $n } 块
grant-revoked = 通往 { $place } 的链接已经失效
column-rights = 权利
column-since = 起始
column-place = 位置
help-share = 给别人一个文件或目录的链接；密钥就在链接里
help-share-examples =
    pumasi share my:album/2024/
    pumasi share my:album/photo.jpg --expires 1h
help-share--place = 分享什么
help-share--ops = 链接允许什么：get、list、put、delete
help-share--expires = 有效多久
help-share--forever = 直到被撤销
help-grant = 给出的链接
help-grant-create = 与 share 相同
help-grant-create-examples = pumasi grant create my:album/2024/ --expires 30d
help-grant-create--place = 分享什么
help-grant-create--ops = 链接允许什么：get、list、put、delete
help-grant-create--expires = 有效多久
help-grant-create--forever = 直到被撤销
help-grant-list = 列出给出的链接
help-grant-list-examples = pumasi grant list
help-grant-show = 链接允许什么；不询问任何人
help-grant-show-examples = pumasi grant show pmg1abcd
help-grant-show--link = 链接
help-grant-narrow = 把链接缩小后转交：下面的目录、更短的时间；不询问任何人
help-grant-narrow-examples = pumasi grant narrow pmg1abcd/trip/ --expires 1d
help-grant-narrow--link = 链接，斜杠后面是其中的部分
help-grant-narrow--ops = 新链接允许什么：get、list、put、delete
help-grant-narrow--expires = 有效多久
help-grant-narrow--forever = 与原来的链接一样久
help-grant-revoke = 终止链接，以及由它缩小而来的一切
help-grant-revoke-examples = pumasi grant revoke 1a2b3c4d
help-grant-revoke--id = 它的编号或唯一前缀
help-device = 自己的机器
help-device-list = 列出它们
help-device-list-examples = pumasi device list
help-device-add = 让第二台机器代表你：这边给邀请码，那边显示六位数字
help-device-add-examples = pumasi device add
help-device-add--rights = 它可以做什么：use、lend、admin、spend、approve
help-device-add--expires = 邀请码有效多久，最多 10 分钟
help-device-remove = 终止一台机器代表你的权利
help-device-remove-examples = pumasi device remove laptop
help-device-remove--id = 它的名字、编号或唯一前缀
help-recovery = 所有机器都丢失时，用什么找回数据
help-recovery-phrase = 显示 24 个词，只此一次
help-recovery-phrase-examples = pumasi recovery phrase
help-recovery-phrase--words = 用哪个词表：en、zh
help-recovery-check = 核对其中四个词
help-recovery-check-examples = pumasi recovery check
help-recovery-drill = 像新机器一样试用整个恢复短语，不改动任何东西
help-recovery-drill-examples = pumasi recovery drill
help-recovery-restore = 在新机器上：凭恢复短语找回账户
help-recovery-restore-examples = pumasi recovery restore pumasi1abcd
help-recovery-restore--address = 与恢复短语一起显示的地址
help-recovery-restore--name = 本机的名字
help-recovery-restore--bind = 本机绑定的地址
help-recovery-rebuild = 管理中心丢失数据库之后：从池中找回账户和名字
help-recovery-rebuild-examples = pumasi recovery rebuild --wait 10min
help-recovery-rebuild--wait = 等待尚未回来的机器多久
help-dev-massacre--standard = 同样的试验，用 120 个节点，每个进程十个，等级为标准
help-dev-nodes = 在一个进程里运行几个目录的代理
help-dev-nodes-examples = pumasi dev nodes /tmp/one /tmp/two
help-dev-nodes--homes = 它们的目录
massacre-joined = 120 个节点已在线，各有主人和地址
massacre-put = 64 MiB 已确认
massacre-most_dead = 120 个节点同时死去 70 个；文件逐字节读回
bench-writer_peak_streams_mib = 写入进程的内存峰值，同时四路上传
bench-put_streams_c4 = 写入，同时四路上传
bench-put_soak_streams_c4 = 写入，同时四路长时间上传，节点不保留字节
bench-put_soak_sparse_c1 = 写入，一个很大的稀疏文件，节点不保留字节
bench-writer_peak_soak_streams_mib = 写入进程的内存峰值，同时四路长时间上传
bench-writer_peak_soak_sparse_mib = 写入进程的内存峰值，一个很大的稀疏文件
demo-shared = 一条链接为不在任何云里的机器打开目录；撤销后什么也打不开
demo-recovered = 24 个词在新机器上找回账户；文件可以读出
help-ls--offline = 本机所知道的，不询问管理中心
ls-offline = 截至 { $at }，本机所知道的最后一次变更
help-bucket-create--quota = 最多存多少，所有版本合计，例如 10GiB
help-bucket-set = 更改存储桶的容量上限
help-bucket-set-examples = pumasi bucket set album --quota 10GiB
help-bucket-set--name = 它的名字
help-bucket-set--quota = 最多存多少，所有版本合计；none 表示不限
bucket-set = { $place } 的上限：{ $quota }
bucket-quota = 上限：{ $quota }，所有版本合计
bucket-logged = { $place }：第 1 至 { $upto } 次改动已存入池中，共 { $n } 份日志，{ $size }：凭它们和自己的密钥，没有中心也能恢复名字
bucket-log-there = { $place }：第 1 至 { $upto } 次改动早已在池中，共 { $n } 份日志，{ $size }，最新一份存于 { $at }
bucket-log-nothing = { $place }：还没有任何改动
bucket-log-none = { $place }：还没有日志：pumasi bucket log
bucket-log-checked = { $place }：{ $holders } 个持有者仅凭定位符就找到了 { $n } 份日志；最弱的一份有 { $pieces } 个分片，{ $need } 个即够；读出的 { $names } 个名字与中心一致
bucket-log-later = 第 { $upto } 次之后的改动尚未写入日志；代理会在十分钟内存入
help-bucket-log = 立即存下无需中心就能恢复名字的日志；平时代理会在改动后十分钟内完成
help-bucket-log-examples = 
    pumasi bucket log album
    pumasi bucket log album --check
help-bucket-log--name = 它的名字
help-bucket-log--check = 在持有者处找到日志，读出并核对
quota-none = 不限
help-dev-massacre--midway = 先在补齐期间杀死六个节点，写入的机器仍在
massacre-midway = 确认之后立刻杀死十个中的六个；由写入机器的副本补给其余四个，文件可以读出
help-upload = 分段上传的对象
help-upload-begin = 开始一个分段上传的对象
help-upload-begin-examples = pumasi upload begin my:album/film.mkv
help-upload-begin--place = 它将在哪里
help-upload-part = 存入一段；同一编号再次存入会替换它
help-upload-part-examples = pumasi upload part my:album/film.mkv 1 film.part1
help-upload-part--place = 对象将在哪里
help-upload-part--id = 有多个上传时指定哪一个：其编号或唯一前缀
help-upload-part--number = 1 到 10,000；各段按编号相连，先后到达都可以
help-upload-part--file = 文件，或用 - 表示管道
help-upload-list = 列出未完成的上传
help-upload-list-examples = pumasi upload list my:album
help-upload-list--place = 存储桶，或名称的开头
help-upload-show = 已存入的各段
help-upload-show-examples = pumasi upload show my:album/film.mkv
help-upload-show--place = 对象将在哪里
help-upload-show--id = 有多个上传时指定哪一个：其编号或唯一前缀
help-upload-complete = 一次性由各段组成对象
help-upload-complete-examples = pumasi upload complete my:album/film.mkv
help-upload-complete--place = 对象将在哪里
help-upload-complete--id = 有多个上传时指定哪一个：其编号或唯一前缀
help-upload-complete--parts = 只用这些段；不写则用已有的全部
help-upload-complete--no_overwrite = 仅当此名称尚不存在时
help-upload-abort = 放弃一个上传；已存的部分会被清除
help-upload-abort-examples = pumasi upload abort my:album/film.mkv
help-upload-abort--place = 对象原本要在哪里
help-upload-abort--id = 有多个上传时指定哪一个：其编号或唯一前缀
upload-begun =
    已开始：{ $place }，上传 { $id }
      接着：每一段执行 pumasi upload part { $place } 1 文件；最后 pumasi upload complete { $place }
      最后一段之后七天仍未完成，上传即被放弃
upload-part = { $place } 的第 { $n } 段已存入：{ $size }
upload-parts = 共 { $n } 段，合计 { $size }
upload-completed = { $place } 已就位：{ $size }，由 { $n } 段组成
upload-aborted = 已放弃：{ $place }；已存的部分会被清除
help-mount = 把存储桶挂载为本机目录，直到停止（`Linux`）
help-mount-examples = 
    mkdir ~/cloud && pumasi mount ~/cloud
    pumasi mount ~/photos my:photos/2026 --read-only
    pumasi mount ~/notes --bucket notes --sync pool
    getfattr -n user.pumasi.state ~/notes/today.txt

    文件关闭后开始上传；`user.pumasi.state` 为 `safe` 表示云中已有。
    `Ctrl-C` 或 `umount` 结束挂载，并上传尚未上传的文件。不要放数据库；锁不跨机器。
    `Windows` 和 `macOS` 通过 `WebDAV` 打开同样的存储桶：pumasi gateway run
help-mount--folder = 一个空目录
help-mount--place = my:存储桶，或 my:存储桶/目录；不填则为全部存储桶，每个一个目录
help-mount--bucket = 单个存储桶
help-mount--read_only = 不做任何修改
help-mount--sync = `fsync` 何时返回：`staged` 为本机已可靠写入，`pool` 为其他电脑已保存
help-mount--allow_other = 本机其他用户也可看到，以文件权限为准
mount-up = { $place } 已挂载到 { $folder }；按 `Ctrl-C` 或 `umount` 结束
mount-recovered = 上次挂载还有 { $n } 个文件未上传，现在上传
mount-waits = { $n } 个文件等待上传
mount-safe = 全部已上传
mount-ends = 目录已卸载；还有 { $n } 个文件正在上传。再按 `Ctrl-C` 则留给下次挂载
mount-left = { $n } 个文件尚未上传；它们加密保存在本机，下次挂载时上传
mount-bad = 上次挂载有 { $n } 个文件已损坏；它们留在 { $spool }，改名为 `N.bad`，不上传
mount-conflict = 原来的名称已有其他内容；上次挂载留下的文件现名为：{ $name }
help-gateway = 让文件管理器和任何支持 `S3` 的工具在本机使用你的存储桶
help-gateway-run = 在前台提供 `S3` 和 `WebDAV`，直到停止；有了密钥之后，代理程序会自动提供
help-gateway-run-examples = pumasi gateway run
    pumasi gateway run --s3 127.0.0.1:0 --webdav 127.0.0.1:0
help-gateway-run--s3 = 监听地址；端口 0 由系统选择。不写则用配置里的 `gateway.s3`，再没有就用 127.0.0.1:7780
help-gateway-run--webdav = 文件管理器用的监听地址；端口 0 由系统选择。不写则用配置里的 `gateway.webdav`，再没有就用 127.0.0.1:7781
help-gateway-run--listen_anywhere = 允许其他机器访问。工具发来的内容在这段路上没有加密
help-gateway-run--host = 再接受一个主机名；存储桶可以写在它前面
help-gateway-key = 给工具用的密钥；只留在本机
help-gateway-key-create = 为工具生成一个密钥；密文只显示一次
help-gateway-key-create-examples = pumasi gateway key create
    pumasi gateway key create --prefix backups/laptop/ --expires 90d
    pumasi gateway key create --prefix photos --read-only
help-gateway-key-create--prefix = 只限这个存储桶，或只限其中以此开头的名称
help-gateway-key-create--read_only = 只能读取和列出，不能写入
help-gateway-key-create--expires = 有效多久，例如 `90d`
help-gateway-key-list = 列出给工具用的密钥
help-gateway-key-list-examples = pumasi gateway key list
help-gateway-key-revoke = 立即撤销一个密钥
help-gateway-key-revoke-examples = pumasi gateway key revoke PMSIABCD
help-gateway-key-revoke--id = 编号或其唯一前缀
gateway-up =
    正在提供 `S3`：`http://`{ $addr }
    正在提供 `WebDAV`：`http://`{ $webdav }
      按 `Ctrl-C` 结束
gateway-no-key = 还没有给工具用的密钥：`pumasi gateway key create`
gateway-key-made =
    已生成：用于 { $place } 的密钥；密文不会再次显示
      访问密钥编号  { $id }
      访问密钥密文  { $secret }
      区域          { $region }
      接着：`pumasi gateway run`，除非本机的代理程序正在运行；地址是 `http://127.0.0.1:7780`
gateway-key-good = 有效
gateway-key-over = 已过期
gateway-key-revoked = 已撤销
gateway-key-reads = 读
gateway-key-writes = 读写
gateway-key-ended = 密钥 { $id } 已撤销
column-part = 段

# 故障中的云
help-dev-chaos = 一个小云：机器、磁盘和网络按种子计划出故障，同时有人使用；之后检查一切
help-dev-chaos-examples = pumasi dev chaos --seconds 60 --seed 7
help-dev-chaos--seconds = 故障持续多少秒
help-dev-chaos--seed = 计划的随机种子
help-dev-chaos--nodes = 节点数量
help-dev-chaos--time_scale = 中心的一天缩短多少倍
help-dev-chaos--plan = 开始之前列出故障计划
chaos-begin = 开始
chaos-up = 已启动
chaos-plan = 计划
chaos-fault = 故障
chaos-calls = 调用
chaos-check = 检查
chaos-broken = 无法完成：
chaos-replay = 重放：

# 作业
help-run = 在大家的空闲核心上（或在本机）对许多输入运行一个模块
help-run-examples = 
    pumasi run thumb.wasm --each 'my:photos/*' --to my:thumbs/ -- 256
    pumasi run pi.wasm --count 1000 --to my:pi/ --trust public
    pumasi run thumb.wasm --each 'my:photos/*' --to my:thumbs/ --fresh -- 256
    pumasi run --local guest:wordcount-map < book.txt
help-run--module = 模块（`WASI` 命令），或用 `guest:NAME` 指定随程序附带的模块
help-run--local = 在本机的同一种沙箱里运行，不用云
help-run--each = 运行的对象，每个一项：`my:bucket/pattern`、`my:folder/` 或文件；可多次指定
help-run--count = 没有输入的项数；每一项得知自己的编号
help-run--input = 输入如何给模块：`stdin` 或 `file`（在 `/in` 下）
help-run--pattern = 输出的名字，例如 `{"{stem}"}.txt` 或 `part-{"{index:05}"}`
help-run--to = 输出放在哪里：`my:bucket/prefix`；与 --local 一起时为目录
help-run--trust = 谁的机器可以运行：`self`、`circle` 或 `public`
help-run--check = 陌生人的结果如何校验：`fast`、`standard` 或 `strict`
help-run--region = 只用这些地域的机器；可多次指定
help-run--name = 作业的名字
help-run--memory = 一项的内存
help-run--fuel = 一项最多的步数；不指定则由最初几项得出
help-run--wall = 一项最长的时间
help-run--max_output = 一项最多的输出
help-run--deadline = 之后不再分发
help-run--env = 给模块的变量；可多次指定
help-run--seed = 模块随机数的种子
help-run--fresh = 全部重新计算，包括以前运行时已知结果的项
help-run--max_credits = 最多花费的积分；在陌生人之间默认为可用积分的一半，否则不限
help-run--detach = 不等待结束
help-run--args = 模块的参数，写在 -- 之后
help-map = 对已存的内容做映射与归约：读入行，给出记录
help-map-examples = 
    pumasi map guest:wordcount-map my:books/ --reduce guest:wordcount-reduce --to my:words/
    pumasi map guest:sort-map my:logs/ --reduce guest:sort-reduce --cuts f,m,t --to my:sorted/
help-map--module = 映射模块：从 `stdin` 读行，向 `stdout` 写 `key TAB value` 行
help-map--inputs = 读取的内容：`my:bucket/prefix/`、`my:bucket/pattern` 或文件
help-map--reduce = 归约模块：从 `stdin` 读所属部分按键排序的全部记录
help-map--combine = 存储之前对映射输出的每一部分运行
help-map--parts = 映射输出按键的哈希分成几部分：同样多的归约项与输出
help-map--cuts = 改为按顺序分：下一部分从这些键开始
help-map--split = 一个映射项读取的字节
help-map--to = 输出放在哪里：`my:bucket/prefix`
help-map--trust = 谁的机器可以运行：`self`、`circle` 或 `public`
help-map--check = 陌生人的结果如何校验：`fast`、`standard` 或 `strict`
help-map--region = 只用这些地域的机器；可多次指定
help-map--name = 作业的名字
help-map--memory = 一项的内存
help-map--fuel = 一项最多的步数；不指定则由最初几项得出
help-map--wall = 一项最长的时间
help-map--max_output = 一项最多的输出
help-map--deadline = 之后不再分发
help-map--env = 给模块的变量；可多次指定
help-map--seed = 模块随机数的种子
help-map--fresh = 全部重新计算，包括以前运行时已知结果的项
help-map--max_credits = 最多花费的积分；在陌生人之间默认为可用积分的一半，否则不限
help-map--detach = 不等待结束
help-map--args = 映射模块的参数，写在 -- 之后
help-job = 自己的作业
help-job-submit = 提交文件描述的作业
help-job-submit-examples = 
    pumasi job submit wordcount.toml
    pumasi job submit wordcount.toml --fresh
help-job-submit--file = 作业清单，`TOML` 或 `JSON`
help-job-submit--fresh = 全部重新计算，包括以前运行时已知结果的项
help-job-submit--max_credits = 最多花费的积分；在陌生人之间默认为可用积分的一半，否则不限
help-job-submit--detach = 不等待结束
help-job-list = 列出自己的作业，最新的在前
help-job-list-examples = pumasi job list
help-job-show = 作业的状况：为何等待、哪些失败、谁说了谎
help-job-show-examples = 
    pumasi job show last
    pumasi job show jq3m --json
help-job-show--job = 作业编号、编号的开头，或 `last`
help-job-logs = 一项写到标准错误的末尾内容
help-job-logs-examples = pumasi job logs last 17
help-job-logs--job = 作业编号、编号的开头，或 `last`
help-job-logs--item = 项的编号
help-job-logs--stage = 项所在的阶段：0 映射，1 归约
help-job-results = 给已完成的输出命名，作业进行中也可以
help-job-results-examples = pumasi job results last --to out/
help-job-results--job = 作业编号、编号的开头，或 `last`
help-job-results--to = 同时取到这个目录
help-job-retry = 重试作业中失败的项
help-job-retry-examples = pumasi job retry last
help-job-retry--job = 作业编号、编号的开头，或 `last`
help-job-raise = 提高作业的费用上限
help-job-raise-examples = pumasi job raise last --max-credits 5
help-job-raise--job = 作业编号、编号的开头，或 `last`
help-job-raise--max_credits = 新的费用上限，含已花费的部分
help-job-stop = 不再分发这个作业
help-job-stop-examples = pumasi job stop last
help-job-stop--job = 作业编号、编号的开头，或 `last`
help-job-wait = 等到作业结束并接收输出
help-job-wait-examples = pumasi job wait last
help-job-wait--job = 作业编号、编号的开头，或 `last`
run-local = { $name }：{ $end } · { $fuel } 步 · 结果 { $hash } · 沙箱墙级别 { $walls }
job-strangers = 陌生人的电脑会读到它们所运行任务的输入。私密数据请用 `--trust self` 或 `--trust circle`。
job-begun = 作业 { $job }（{ $name }）：{ $items } 项
job-begun-known = 作业 { $job }（{ $name }）：{ $items } 项，其中 { $known } 项的结果以前运行时已知
job-all-known = { $name }：{ $items } 项，结果以前运行时全部已知；不提交任何工作
    { $outputs } 个输出共 { $size }，在 `my:{ $bucket }/{ $to }`
job-known-too = 另有 { $known } 项的结果以前运行时已知；它们的输出已计算在内
job-log-known = 第 { $item } 项的结果以前运行时已知，没有在这个作业中运行；`--fresh` 会全部重新运行
job-detached = 它会自行继续；`pumasi job wait { $job }`
job-goes-on = 作业继续进行；`pumasi job wait { $job }` 跟随，`pumasi job stop { $job }` 停止
job-progress = 完成 { $done }/{ $items } · 校验 { $checked } · { $nodes } 个节点上运行 { $running } · 移动 { $moved } · 另起副本 { $copies } · 重试 { $retried } · { $fuel } 十亿步
job-eta = {" "}· { $eta } 后结束
job-ended = 作业 { $job } 为 { $state }：{ $items } 项中完成 { $done }，失败 { $failed }，校验 { $checked }，移动 { $moved }，另起副本 { $copies }，重试 { $retried }；{ $fuel } 十亿步，另有 { $extra } 用于校验与副本
    { $outputs } 个输出共 { $size }，在 `my:{ $bucket }/{ $to }`
job-liar = { $name }（{ $node }）对第 { $item } 项说了错误的结果：其他运行者一致得到另一个结果；它不再得到陌生人的工作
job-differs = { $name }（{ $node }）对第 { $item } 项的结果与其他运行者不同：它得到的输入不同，或计算方式不同；不归咎于任何人
job-failure = 第 { $stage }.{ $item } 项在 { $tries } 次尝试后失败：{ $kind }；`pumasi job logs { $job } { $item } --stage { $stage }`
job-show = 
    { $job } { $name }：{ $state }，{ $items } 项中完成 { $done }，失败 { $failed }
    信任 { $trust }，校验 { $check }；提交于 { $at }
    { $nodes } 个节点上运行 { $running }，校验 { $checked }，移动 { $moved }，另起副本 { $copies }，重试 { $retried }；{ $fuel } 十亿步，另有 { $extra } 用于校验与副本
job-stage = 阶段 { $n }：{ $items } 项中完成 { $done }，已核实 { $verified }，运行 { $running }，失败 { $failed }
job-no-log = 第 { $item } 项没有写标准错误
job-retried = { $job } 失败的项正在重试
job-raised = { $job } 的费用上限已提高，继续运行
job-cost = 已接受的结果合 { $worth } 积分；其中自己机器完成的部分免费
job-cost-of = 已接受的结果合 { $worth } 积分，上限 { $most }；其中自己机器完成的部分免费
job-stopped = { $job } 不再分发；已完成的保留：`pumasi job results { $job }`
job-fetched = { $n } 个输出在 { $folder }
job-results-so-far = { $n } 个输出共 { $size } 已命名；总共 { $items } 项
column-done = 完成
column-failed = 失败
column-trust = 信任
phase-adopt = 命名输出
pause-keeper-offline = 等待：持有密钥的机器都不在线；不再分发
pause-many-failed = 等待：最初几项大多失败；`pumasi job retry` 继续
pause-restarted = 等待：中心刚刚重新启动，正在了解谁在运行什么
pause-budget = 等待：允许的费用已用完；`pumasi job raise` 可继续
waits-nobody = 等待：没有节点要求工作
waits-owners = 等待：校验需要 { $n } 位机主，现在不足
waits-trust = { $n } 个节点不接这一类工作
waits-walls = { $n } 个节点的沙箱墙不足以运行陌生人的工作
waits-quarantined = { $n } 个节点被发现说谎
waits-region = { $n } 个节点在其他地域
waits-memory = { $n } 个节点空闲内存太少
waits-scratch = { $n } 个节点空闲磁盘太少
waits-schedule = { $n } 个节点很快会关机
waits-young = { $n } 个节点在线时间不够长
waits-owner = { $n } 个节点的机主已有一份
waits-failed = { $n } 个节点在此失败过
waits-share = { $n } 个节点已得到应有的份额
waits-suspect = { $n } 个节点没有回应
demo-texts_stored = 存入至少 { $n } 页文本，作为作业的各项
demo-word_count = 由陌生人的电脑对至少 { $n } 项统计词数；其中一台中途被断电，一台说谎并被点名；结果与直接计算相同
demo-ledger = 存储与计算已结算：说谎者分文未得，钱包与账目一致，整本账重新核算无误（此处 6 小时的结算周期为 5 秒）
demo-ledger-line = 　{ $name }：收入 { $earned }，支出 { $paid }，余额 { $balance }

# 计算的测量
help-bench-compute = 测量管理中心分派与收回工作的速度，以及小型云上的作业与普通程序之比
help-bench-compute-examples = pumasi bench compute --only items_per_s --json
help-bench-compute--agents = 请求工作的模拟节点数
help-bench-compute--time = 管理中心分派工作的测量时长
help-bench-compute--mib = 作业读取的文本大小（MiB）
help-bench-compute--seed = 随机种子
help-bench-compute--only = 只测名称含此文本的数据，例如 `grant`
help-bench-compute--dir = 工作目录（须在磁盘上），结束后保留
help-dev-workers = 请求工作并立即报告完成的模拟节点
help-dev-workers-examples = pumasi dev workers --count 200 --load bundles --ticket pumasi1…
help-dev-workers--count = 节点数
help-dev-workers--sockets = 真实连接数
help-dev-workers--seed = 随机种子
help-dev-workers--ticket = 测试管理中心的邀请码，可多次指定
help-dev-workers--bind = 套接字使用的地址
help-dev-workers--time = 时长
help-dev-workers--warmup = 开始计数前等待多久
help-dev-workers--load = 分派方式：每份多项、每份一项，或按节奏提交小作业
help-dev-workers--pace = 按节奏提交时每秒提交的项数
bench-part-failed = { $part } 未能运行：{ $why }
bench-items_per_s = 每秒确认的结果数（已持久化，每份工作多项）
bench-item_cpu_us = 每份多项时，每个结果占用管理中心的处理器时间（微秒）
bench-leases_per_s = 每份工作一项时，每秒确认的份数
bench-lease_cpu_us = 每份一项时，每份工作占用管理中心的处理器时间（微秒）
bench-grant_p50_ms = 从提交作业到等待中的节点得到第一份工作，中位数（毫秒）
bench-grant_p99_ms = 从提交作业到等待中的节点得到第一份工作，第 99 百分位（毫秒）
bench-grant_max_ms = 从提交作业到等待中的节点得到第一份工作，最长（毫秒）
bench-noop_p50_ms = 只有一个空项的作业，从提交到看到完成，中位数（毫秒）
bench-noop_max_ms = 只有一个空项的作业，从提交到看到完成，最长（毫秒）
bench-wordcount_plain_s = 普通程序统计词数（单核，文本在内存中，秒）
bench-wordcount_1gib_w2_s = 两台电脑的作业统计词数（秒）
bench-wordcount_1gib_w1_s = 一台电脑的作业统计词数（秒）
bench-wordcount_cpu_s = 两台电脑的作业占用全部进程的处理器时间（秒）
bench-wordcount_over_plain = 两台电脑的作业用时与普通程序之比
bench-wordcount_cpu_over_plain = 两台电脑的作业处理器时间与普通程序之比
bench-sort_plain_s = 普通程序排序各行（单核，文本在内存中，秒）
bench-sort_1gib_w2_s = 两台电脑的作业排序各行（秒）
bench-sort_cpu_s = 排序作业占用全部进程的处理器时间（秒）
bench-sort_over_plain = 排序作业用时与普通程序之比
bench-sort_cpu_over_plain = 排序作业处理器时间与普通程序之比
bench-cpu_growth_w1_w2 = 两台电脑的作业处理器时间与一台之比
bench-wasm_over_native = 来宾程序与本机程序的处理器时间之比，三者的几何平均
bench-wasm_sha256tree = 来宾程序与本机程序的处理器时间之比：散列树
bench-wasm_sort = 来宾程序与本机程序的处理器时间之比：排序
bench-wasm_wordcount = 来宾程序与本机程序的处理器时间之比：统计词数
bench-yield_ms_p50 = 从主人有输入到来宾程序停止计算，中位数（毫秒）
bench-yield_ms_p95 = 从主人有输入到来宾程序停止计算，第 95 百分位（毫秒）
bench-yield_ms_p99 = 从主人有输入到来宾程序停止计算，第 99 百分位（毫秒）
bench-yield_ms_max = 从主人有输入到来宾程序停止计算，最长（毫秒）
bench-yield_memory_ms_max = 从主人停止出借到来宾程序不再占用内存，最长（毫秒）
bench-killing_peace_s = 八台电脑平静时完成作业（秒）
bench-killing_s = 每十秒死一台电脑时完成同一作业（秒）
bench-killing_deaths = 其间死去的电脑
bench-killing_one_of_8_over = 有电脑死去时的用时与平静时之比

column-time = 时间
column-for = 用途
column-other = 对方
column-change = 积分
column-held = 预留
wallet-of = { $name }，账户 { $account }
wallet-balance = 余额　　{ $amount } 积分
wallet-held = 预留　　{ $amount }，共 { $n } 笔
wallet-limit = 可透支　{ $amount }（{ $why }）
wallet-available = 可用　　{ $amount }
wallet-hold =   { $amount }，用途 { $code }，至 { $when }
wallet-statement = { $n } 行：之前余额 { $opening }，之后 { $closing }。
wallet-line = 第 { $seq } 行，{ $when }：{ $amount } 积分，用途 { $code }，对方 { $other }；区块 { $block }。
wallet-line-signed = 由设备 { $device } 签名。
wallet-line-used = 截至 { $when } 的时段中使用：{ $resource }。
wallet-line-served = 截至 { $when } 的时段中提供：{ $resource }。
wallet-line-reading =   { $units } 单位（{ $variant }，质量 { $quality } %），每 { $per } 单位 { $price } 微积分单位，价目表第 { $version } 版：{ $amount }
wallet-line-factor = 提供者共应得 { $wanted }，实有 { $there }；各按同一比例领取。
wallet-line-part =   其中 { $units } 单位：{ $of }
wallet-by-node = 节点 { $id }
wallet-by-job = 作业 { $id }
wallet-by-account = 为账户 { $id }
wallet-parts = 共 { $n } 项。所存字节仅按账户计量，不在其中。
wallet-exported = { $n } 行。{ $file } 带有管理中心的签名，{ $csv } 为同一内容的表格。可在任何地方核对：pumasi wallet verify { $file }
wallet-verified = 互助云 { $cloud } 为 { $account } 签署：{ $n } 行，之前余额 { $opening }，之后 { $closing }。他人名称不在签名之内。
column-side = 方向
column-units = 单位数
side-used = 使用
side-served = 提供
wallet-transfer-ask = 把 { $amount } 积分赠给 { $name }？ [Y/n]
wallet-transfer-done = { $amount } 积分已归 { $name }。您的余额：{ $balance }。
wallet-sent-again = 一笔未收到答复的赠与已重发，现已入账：{ $id }
wallet-refused-again = 一笔未收到答复的赠与已重发，被拒绝（{ $why }）：{ $id }
wallet-why-private = 私有云中人人相同
wallet-why-common = 公共账户
wallet-why-opening = 人人从此开始
wallet-why-served = 已提供服务 24 小时
wallet-why-proven = 已提供服务 7 天且抽检通过
wallet-why-earned = 60 × 日均收入 { $mean } × 抽检 { $audits } %
wallet-why-written-off = 欠款已核销
wallet-why-volume = 90 天流通量的 2 %
wallet-stands = 状态　　{ $state }
wallet-state = 状态　　{ $state }，自 { $when }
wallet-state-newcomer = 新成员：额度与所有新人相同
wallet-state-active = 正常：一切照常
wallet-state-low = 偏低：按目前用量不足 7 天；请出借，或接受赠与
wallet-state-at-limit = 达到额度：写入与作业等待，已存数据可读；出借、接单或接受赠与，使可用超过额度的 5 %
wallet-state-last = 达到额度：在朋友之间，作业只是排在他人之后
wallet-state-grace = 宽限期：30 天内不接受新的写入，已存数据可读且保留；有可用积分即恢复
wallet-state-released = 已放手：已存数据不再保证；有可用积分即恢复
wallet-state-written-off = 已核销：欠款由他人承担；还清后恢复
wallet-state-leaving = 退出中：余额先用完，欠款未清则账户不关闭
wallet-state-closed = 已关闭
wallet-written-off = 核销后待还：{ $amount }
wallet-notices = 数据将被放手的通知：{ $n } 次，最近 { $when }
wallet-next = 下一步：{ $what }
wallet-next-serve = 再提供 { $more } 经核实的服务后为 { $to }
wallet-next-prove = 再提供 { $more } 且抽检通过后为 { $to }
wallet-next-earn = 日均收入超过 { $amount }
column-before = 之前
column-after = 此后
column-why = 原因
ledger-rows = { $n } 笔转账，{ $blocks } 个区块
ledger-sums = 借方合计 { $debits } = 贷方合计 { $credits }；预留 { $held }
ledger-class =   { $class }：{ $n } 个账户，余额 { $balance }
ledger-newest-root = 最新日根：{ $day }，承接本机保存的日根（{ $n } 天）。
ledger-roots = 逐日承接，管理中心所示与之相符（{ $n } 天）。
ledger-roots-forget-ask = 忘记本机保存的日根，改信管理中心此刻出示的账本？
column-root = 根
ledger-adds-up = 账目相符。
ledger-broken = 账目不符！{ $why }
ledger-exported = { $n } 笔转账已写入 { $file }。可在任何地方核对：pumasi ledger verify { $file }
ledger-verified = { $blocks } 个区块中的 { $n } 笔转账：每一笔都承接前文，合计相符；日根 { $days } 个，最新一个有 { $signed } 个节点签名。状态 { $state }
help-wallet = 您的余额、欠款与支出
help-wallet-show = 显示余额、预留与限额
help-wallet-show-examples = pumasi wallet show
help-wallet-show--account = 另一账户（供运营者）：`member-7`、`insurance-1`
help-wallet-statement = 列出账户的每一笔变动
help-wallet-statement-examples =
    pumasi wallet statement
    pumasi wallet statement --since 365d --csv > year.csv
    pumasi wallet statement --line 4711
    pumasi wallet statement --by node
help-wallet-statement--account = 另一账户（供运营者）：`member-7`、`insurance-1`
help-wallet-statement--since = 往前多久
help-wallet-statement--csv = 输出为表格
help-wallet-statement--line = 这一行由什么构成
help-wallet-statement--by = 按提供者或使用者列出单位数：`node`、`job` 或 `account`
help-wallet-export = 写出带管理中心签名的对账单，并附同一内容的表格
help-wallet-export-examples = pumasi wallet export year.json --since 365d
help-wallet-export--file = 文件；表格在其旁，以 `csv` 结尾
help-wallet-export--account = 另一账户（供运营者）：`member-7`、`insurance-1`
help-wallet-export--since = 往前多久
help-wallet-verify = 核对 `pumasi wallet export` 写出的对账单
help-wallet-verify-examples = pumasi wallet verify year.json
help-wallet-verify--file = 文件
help-wallet-transfer = 把积分赠给另一成员
help-wallet-transfer-examples = pumasi wallet transfer maria 2.5
help-wallet-transfer--to = 成员名称，或 `pumasi member list` 显示的完整编号
help-wallet-transfer--amount = 积分，至多六位小数
help-wallet-quote = 存储、读取与计算的费用；不带参数则显示现行价格
help-wallet-quote-examples =
    pumasi wallet quote
    pumasi wallet quote --store 200GB --months 12 --read 20GB
help-wallet-quote--store = 存储的数据量
help-wallet-quote--class = 存储等级；私有云只有一种价格
help-wallet-quote--months = 月数
help-wallet-quote--read = 读取的数据量
help-wallet-quote--compute = 计算的步数：3600000000000 步等于参考核心的一小时
help-wallet-quote--check = 结果的核对方式
quote-store = 存储 { $amount }，{ $months } 个月：{ $cost }
quote-read = 读取 { $amount }：{ $cost }
quote-compute = 计算 { $amount } 步：{ $cost }
quote-sum = 合计至多 { $sum } 积分；您可用 { $has }
quote-book = 价目表第 { $version } 版，生效于 { $from }
column-kind = 种类
column-pays = 花费
column-earns = 收入
column-per = 单位数
help-wallet-limit = 您可透支多少、原因，以及如何提高
help-wallet-limit-examples = pumasi wallet limit
help-wallet-limit--account = 另一账户（供运营者）：`member-7`
help-ledger = 整本账，以及是否相符
help-ledger-show = 显示合计、账户与区块
help-ledger-show-examples = pumasi ledger show
help-ledger-export = 把全部转账写入文件（供运营者）
help-ledger-export-examples = pumasi ledger export book.pml
help-ledger-export--file = 文件
help-ledger-roots = 本机见过的账本日根，以及管理中心所示是否与之相符
help-ledger-roots-examples = pumasi ledger roots
help-ledger-roots--forget = 以管理中心此刻所示重新开始，例如管理中心重建之后
help-ledger-verify = 不依赖中心的存储，重新合计一切
help-ledger-verify-examples =
    pumasi ledger verify
    pumasi ledger verify book.pml
help-ledger-verify--file = 由 `pumasi ledger export` 写出的文件；不给则核对中心的账
