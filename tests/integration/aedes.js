// aedes, a broker of Node.js, on the loopback port that is its argument.
'use strict'
const aedes = require('aedes')
const net = require('net')

async function main () {
  const broker = aedes.Aedes && aedes.Aedes.createBroker ? await aedes.Aedes.createBroker() : aedes() // from 1.0 on
  net.createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1')
}
main()
