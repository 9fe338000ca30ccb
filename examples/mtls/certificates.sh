#!/usr/bin/env bash
# Makes a CA for workloads, and certificates of two of them, into the folder `made`
# beside this file. A stand-in for the CA that you have: step-ca, Vault, SPIRE,
# cert-manager, …
set -euo pipefail
cd "$(dirname "$0")"
mkdir made
cd made

curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${curve[@]}" -days 365 -subj '/CN=Workloads' -keyout ca.key -out ca.crt 2>/dev/null

for workload in orders-worker stock-worker; do
	openssl req "${curve[@]}" -subj "/CN=$workload" -keyout "$workload.key" -out "$workload.csr" 2>/dev/null
	openssl x509 -req -in "$workload.csr" -CA ca.crt -CAkey ca.key -days 30 -out "$workload.crt" 2>/dev/null -extfile <(
		echo 'basicConstraints = critical, CA:FALSE'
		echo 'keyUsage = critical, digitalSignature'
		echo 'extendedKeyUsage = clientAuth'
		echo "subjectAltName = DNS:$workload.example.com"
	)
	rm "$workload.csr"
done
