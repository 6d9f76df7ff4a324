"""The words of a trust list (ETSI TS 119 612 and 119 602) that its writer and its readers share. Pure."""

SERVICE, EXTENSION = "urn:kabao:service:issuance", "urn:kabao:issuance"
GRANTED, WITHDRAWN = (f"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/{state}" for state in ("granted", "withdrawn"))
