# ruby receiver.rb (gem install webrick), with WEBHOOK_SECRET and PORT in the environment. Accepted events lie in inbox/.
require "fileutils"
require "openssl"
require "webrick"

SECRET = ENV.fetch("WEBHOOK_SECRET", "")
KEY = begin
  SECRET.start_with?("whsec_") ? SECRET.delete_prefix("whsec_").unpack1("m0") : SECRET
rescue ArgumentError
  ""
end
abort "set WEBHOOK_SECRET to the whole secret that the api showed" if KEY.bytesize < 24

def genuine?(request, body)
  id, sent = request["webhook-id"], request["webhook-timestamp"].to_s
  return false unless sent.match?(/\A\d+\z/) && (Time.now.to_i - sent.to_i).abs <= 300

  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", KEY, "#{id}.#{sent}.".b + body)].pack("m0")
  found = request["webhook-signature"].to_s.split # several during a rotation
  found.any? { |one| OpenSSL.secure_compare(one, expected) }
end

def keep(id, body)
  file = "inbox/#{id}.json"
  return if File.exist?(file) # it came before

  File.binwrite("#{file}.part", body)
  File.rename("#{file}.part", file)
end

FileUtils.mkdir_p("inbox")
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: ENV.fetch("PORT").to_i, AccessLog: [])
server.mount_proc("/") do |request, response|
  body = request.body.to_s.b # as it arrived, before any parser
  genuine = genuine?(request, body)
  keep(request["webhook-id"], body) if genuine # what fails here is answered 500, and comes again
  response.status = genuine ? 204 : 401
end
server.start
