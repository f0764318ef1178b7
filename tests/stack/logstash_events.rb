# Runs a script of Logstash's ruby filter without Logstash, `jruby logstash_events.rb otlp.rb < lines`: for each
# line an array of the events that it became.
# Event has the part of Logstash's documented API that the script uses.

require "json"

module LogStash
  class Event
    def initialize(data = {})
      @data = data
    end

    def get(name)
      @data[name]
    end

    def set(name, value)
      @data[name.delete("[]")] = value
    end

    def tag(name)
      (@data["tags"] ||= []) << name
    end

    def to_hash
      @data
    end
  end
end

load ARGV.fetch(0)
register({})
$stdin.each_line do |line|
  events = filter(LogStash::Event.new(JSON.parse(line)))
  raise "an array of events is what Logstash takes" unless events.all?(LogStash::Event)

  puts JSON.generate(events.map(&:to_hash))
end
