# For the scripts of the Iggy examples, which source it in a folder of their own: IGGY_ADDRESS is a server's, yours if it is set, else a stand-in's that
# ends with the script ($here: the example's folder).
if [ -z "${IGGY_ADDRESS:-}" ]; then
    PYTHONPATH=$here/../../tests/lib "${PYTHON:-python3}" -u -m hg.iggy --port 0 >server.out &
    server=$!
    until [ -s server.out ]; do kill -0 $server; sleep 0.05; done
    IGGY_ADDRESS=127.0.0.1:$(sed 's/[^0-9]*\([0-9]*\).*/\1/' server.out)
fi
