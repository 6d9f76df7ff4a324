"""What the README of an archive of receipts says, in both languages."""

README = """\
电子证照核验回执归档包
======================

本包是一个部门在一段时间内的核验回执，依《国务院关于在线政务服务的若干规定》（国务院令第716号）第十二条以电子形式归档，
无需再留存纸质材料。回执不含证照内容，只含所见项目的名称与内容摘要（SHA-256）。

  manifest.json        清单：部门、起止时间、每个文件的SHA-256
  manifest.jws         清单的签名（JWS，类型 receipt-archive+jwt，含证书链 x5c）
  receipts/*.jws       回执原文，一份一个文件（JWS，类型 receipt+jwt，含证书链 x5c）
  proofs/*.json        该回执在存证账本中的位置、路径（RFC 9162）与账本行
  checkpoints/*.jws    账本在某一长度时的签名检查点（JWS，类型 checkpoint+jwt）
  certificates/*.pem   签名所用的证书
  revocation-lists/    归档时的证书吊销列表
  anchors/roots.pem    归档时的根证书。核验时应使用另行保管的根证书，不能只凭本包自带的这一份

离线核验（不联网，多年之后亦可）：

  kabao receipt verify 本文件.zip --root 根证书.pem

退出码：0 全部属实；1 有文件与签名不符；2 不是可用的归档包，或根证书不符；3 自身一致，但未给出根证书，无人为其作保。

不用本软件也可以核验：逐个文件比对清单中的SHA-256；用JWS与X.509的通用工具验证签名与证书链，签名时刻（iat）应在证书有效期内；
账本行按键名排序、无空格、UTF-8编码的JSON，前置一个零字节后取SHA-256即为叶子，按路径可算得检查点所签的根；
账本行中的receipt为回执原文的SHA-256（base64url）。


Archive of receipts of licence verifications
============================================

The receipts of one department over some time, archived in electronic form alone under article 12 of State Council decree 716. A receipt holds
no content of a licence, only the names of the fields that were seen and a digest (SHA-256) of it.

  manifest.json        the list: department, time, SHA-256 of each file
  manifest.jws         its signature (JWS of type receipt-archive+jwt, with the chain in x5c)
  receipts/*.jws       the receipts as they were signed, one a file (JWS of type receipt+jwt, with the chain in x5c)
  proofs/*.json        where the receipt stands in the ledger, the path (RFC 9162), and the row
  checkpoints/*.jws    what the ledger's root was at a size (JWS of type checkpoint+jwt)
  certificates/*.pem   the certificates that signed
  revocation-lists/    what had been revoked by then
  anchors/roots.pem    the roots by then; verify under a root that you kept elsewhere, never under this file alone

To verify, without a network, also years later:

  kabao receipt verify FILE.zip --root ROOT.pem

Exit status: 0 all is as it was signed; 1 something is not; 2 it is no usable archive, or another root's; 3 it holds together, but no root was
given, so nobody vouches for it.

Without this software: compare the SHA-256 of each file with the manifest; check the signatures and chains with any tool for JWS and X.509, where
the certificate must have held at the moment of signing (iat); the row as JSON with sorted members, without spaces, in UTF-8, after one zero byte,
has as its SHA-256 the leaf from which the path leads to the root that the checkpoint signs; the row's `receipt` is the SHA-256 of the receipt,
in base64url.
"""
