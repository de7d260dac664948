import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.io.*;
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.zip.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.Utils;

/**
 * Writes the requests of cases.jsonl with Kafka's own codec, as frames with holes. Needs no broker:
 *
 * <pre>java -cp 'KAFKA-4.3.1/libs/*' RecordFrames.java CASES.jsonl BATCHES.jsonl.gz | gzip -9n > frames.jsonl.gz</pre>
 *
 * A line is {"case":NAME,"frame":TEXT}: the bytes of one request, its length in front, in hexadecimal digits. Where they depend on
 * what is known only when the cases run stands a hole in braces:
 * <ul>
 * <li>{name:N}, {name+1:N}: a number of N bytes, the variable or so much more; the variable "now" is a time in ms
 * <li>{name:id}: the 16 bytes of a topic id
 * <li>{name:text}: the one digit of a node id
 * <li>{crc}: the CRC-32C of the record batch that it stands in, which has holes too
 * </ul>
 * Each variable has a stand-in; a request is encoded with it and with another, and where the bytes differ is a hole.
 */
public class RecordFrames {
    static final ObjectMapper J = new ObjectMapper();
    /** Added to a number, it changes each of its bytes, whatever its width. */
    static final long EVERY_BYTE = 0x0101010101010101L;
    static final Pattern VARIABLE = Pattern.compile("\\$\\{(\\w+)([+-]\\d+)?}");
    static final Map<String, String> batches = new HashMap<>();     // name -> hex
    static final Map<String, ApiMessageType> apis = new HashMap<>();
    static final Set<String> ids = new HashSet<>(), texts = new HashSet<>(); // variables met where an id, a text is expected
    static final Map<String, Integer> widths = new HashMap<>();     // bytes of the numbers that a variable stands for, -1 if they differ
    static String shifted = "";                                     // the variable whose other stand-in is used

    public static void main(String[] a) throws Exception {
        for (ApiMessageType t : ApiMessageType.values()) apis.put(t.name, t);
        try (BufferedReader r = new BufferedReader(new InputStreamReader(new GZIPInputStream(Files.newInputStream(Paths.get(a[1])))))) {
            for (String l; (l = r.readLine()) != null;) { JsonNode n = J.readTree(l); batches.put(n.get("name").asText(), n.get("hex").asText()); }
        }
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        int correlation = 0;
        for (String l : Files.readAllLines(Paths.get(a[0]))) {
            JsonNode c = J.readTree(l);
            correlation++;
            ids.clear(); texts.clear(); widths.clear(); shifted = "";
            byte[] frame = frame(c, correlation);
            Set<String> names = new TreeSet<>();
            if (c.path("request").toString().contains("\"records\"")) names.add("now");     // the time of a record that says none
            Matcher m = VARIABLE.matcher(c.path("request").toString());
            while (m.find()) names.add(m.group(1));
            TreeMap<Integer, Hole> holes = new TreeMap<>();
            for (String name : names) {
                shifted = name;
                byte[] other = frame(c, correlation);
                if (other.length != frame.length) throw new IllegalStateException(c.get("case") + ": " + name + " changes the length");
                dig(name, frame, other, holes);
            }
            out.println(J.writeValueAsString(J.createObjectNode().put("case", c.get("case").asText()).put("frame", show(frame, holes))));
        }
        out.flush();
    }

    // ---- holes
    record Hole(int length, String shown) {}

    static void dig(String name, byte[] frame, byte[] other, TreeMap<Integer, Hole> holes) {
        List<Integer> sums = checksums(frame);
        boolean id = ids.contains(name), text = texts.contains(name);
        if (id && text) throw new IllegalStateException(name + " is an id and a text");
        for (int i = 0; i < frame.length;) {
            if (frame[i] == other[i]) { i++; continue; }
            int at = i, sum = sums.stream().filter(k -> k <= at && at < k + 4).findFirst().orElse(-1);
            if (sum >= 0) { holes.put(sum, new Hole(4, "{crc}")); i = sum + 4; continue; }
            int end = i;
            while (end < frame.length && frame[end] != other[end] && !sums.contains(end)) end++;
            int length = id ? 16 : text ? 1 : widths.getOrDefault(name, 0);
            // A wrong checksum stays as it is: it will be wrong for other times too. So does that of a format that Kafka takes no more.
            if (end - i <= 4 && length == 8) { i = end; continue; }
            if (length <= 0 || (end - i) % length != 0) throw new IllegalStateException(name + ": " + (end - i) + " bytes differ at " + i);
            long plus = id || text ? 0 : number(frame, i, length) - standIn(name);
            holes.put(i, new Hole(length, "{" + name + (plus == 0 ? "" : plus > 0 ? "+" + plus : "" + plus) + ":" + (id ? "id" : text ? "text" : "" + length) + "}"));
            i += length;
        }
    }
    /** Where the right checksums of the batches in a frame are. */
    static List<Integer> checksums(byte[] f) {
        List<Integer> l = new ArrayList<>();
        for (int k = 17; k + 44 <= f.length; k++) {
            if (f[k - 1] != 2) continue;
            long end = k - 5L + ByteBuffer.wrap(f).getInt(k - 9);
            if (end < k + 44 || end > f.length) continue;
            CRC32C c = new CRC32C();
            c.update(f, k + 4, (int) end - k - 4);
            if ((int) c.getValue() == ByteBuffer.wrap(f).getInt(k)) l.add(k);
        }
        return l;
    }
    static long number(byte[] f, int at, int length) {
        ByteBuffer b = ByteBuffer.wrap(f, at, length);
        return length == 8 ? b.getLong() : length == 4 ? b.getInt() : length == 2 ? b.getShort() : b.get();
    }
    static String show(byte[] frame, TreeMap<Integer, Hole> holes) {
        StringBuilder s = new StringBuilder();
        int at = 0;
        for (Map.Entry<Integer, Hole> h : holes.entrySet()) {
            s.append(HexFormat.of().formatHex(frame, at, h.getKey())).append(h.getValue().shown);
            at = h.getKey() + h.getValue().length;
        }
        return s.append(HexFormat.of().formatHex(frame, at, frame.length)).toString();
    }

    // ---- stand-ins
    static long standIn(String name) { return name.equals("now") ? 1_750_000_000_000L : 7; }
    static long shift(String name) { return name.equals(shifted) ? EVERY_BYTE : 0; }
    /** The text of a string or number, its ${variables} replaced by numbers. */
    static long number(JsonNode n, int width) {
        return Long.parseLong(VARIABLE.matcher(n.asText()).replaceAll(r -> {
            widths.merge(r.group(1), width, (x, y) -> x.equals(y) ? x : -1);
            return String.valueOf(standIn(r.group(1)) + shift(r.group(1)) + (r.group(2) == null ? 0 : Long.parseLong(r.group(2))));
        }));
    }
    static String text(JsonNode n) {
        return VARIABLE.matcher(n.asText()).replaceAll(r -> { texts.add(r.group(1)); return r.group(1).equals(shifted) ? "2" : "1"; });
    }
    static Uuid id(JsonNode n) {
        Matcher m = VARIABLE.matcher(n.asText());
        if (!m.matches()) return Uuid.fromString(n.asText());
        ids.add(m.group(1));
        return new Uuid(0x70 + shift(m.group(1)), 7 + shift(m.group(1)));
    }

    // ---- requests
    static byte[] frame(JsonNode c, int correlation) throws Exception {
        byte[] body;
        if (c.has("raw")) body = unhex(c.get("raw").asText());
        else {
            ApiMessageType t = Objects.requireNonNull(apis.get(c.get("api").asText()), "no api " + c.get("api"));
            short asked = (short) c.path("version").asInt(0);
            // A version that Kafka's codec lacks is written in the nearest layout that it has, with its own number in the header.
            short v = (short) Math.max(t.lowestSupportedVersion(), Math.min(asked, t.highestSupportedVersion(true)));
            Message head = new RequestHeaderData().setRequestApiKey(t.apiKey()).setRequestApiVersion(asked).setCorrelationId(correlation).setClientId("ask");
            body = concat(List.of(encode(head, t.requestHeaderVersion(v)), encode((Message) build(t.newRequest().getClass(), c.path("request")), v)));
        }
        if (c.has("append")) body = concat(List.of(body, unhex(c.get("append").asText())));
        return c.path("unframed").asBoolean() ? body : concat(List.of(ByteBuffer.allocate(4).putInt(body.length).array(), body));
    }
    static byte[] encode(Message m, short v) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(m.size(cache, v));
        m.write(new ByteBufferAccessor(b), cache, v);
        return b.array();
    }
    /** A message of class c with the fields of n set. */
    static Object build(Class<?> c, JsonNode n) throws Exception {
        Object o = c.getDeclaredConstructor().newInstance();
        for (Map.Entry<String, JsonNode> e : n.properties()) {
            Method set = Arrays.stream(c.getMethods()).filter(m -> m.getName().equalsIgnoreCase("set" + e.getKey()) && m.getParameterCount() == 1).findFirst()
                .orElseThrow(() -> new IllegalArgumentException(c.getSimpleName() + " has no field " + e.getKey()));
            set.invoke(o, value(set.getParameterTypes()[0], set.getGenericParameterTypes()[0], e.getValue()));
        }
        return o;
    }
    @SuppressWarnings("unchecked")
    static Object value(Class<?> c, java.lang.reflect.Type g, JsonNode n) throws Exception {
        if (n.isNull()) return null;
        if (BaseRecords.class.isAssignableFrom(c)) return MemoryRecords.readableRecords(ByteBuffer.wrap(records(n)));
        if (Collection.class.isAssignableFrom(c)) {
            java.lang.reflect.Type p = g instanceof ParameterizedType ? g : c.getGenericSuperclass();
            Class<?> element = (Class<?>) ((ParameterizedType) p).getActualTypeArguments()[0];
            Collection<Object> l = c == List.class ? new ArrayList<>() : (Collection<Object>) c.getDeclaredConstructor().newInstance();
            for (JsonNode x : n) l.add(value(element, element, x));
            return l;
        }
        if (Message.class.isAssignableFrom(c)) return build(c, n);
        if (c == String.class) return text(n);
        if (c == Uuid.class) return id(n);
        if (c == boolean.class) return n.asBoolean();
        if (c == byte[].class) return unhex(n.asText());
        if (c == ByteBuffer.class) return ByteBuffer.wrap(unhex(n.asText()));
        if (c == double.class) return n.asDouble();
        if (c == byte.class || c == Byte.class) return (byte) number(n, 1);
        if (c == short.class || c == Short.class) return (short) number(n, 2);
        return c == int.class || c == Integer.class ? (Object) (int) number(n, 4) : (Object) number(n, 8);
    }
    /**
     * The bytes of {"batch":NAME}, {"hex":..} or {"records":[{"key","value","timestamp","headers":[[k,v]]}],"codec","magic","producerId",
     * "producerEpoch","baseSequence","transactional"}; of a list: all, one after another. A value may be {"size":N}. "baseOffset":N
     * overwrites it (a client's batch must have 0; those of BATCHES have others). "corrupt":{"at":N,"xor":M} or a list of such changes
     * bytes; "crc":true then makes the checksum right again.
     */
    static byte[] records(JsonNode n) throws Exception {
        if (n.isArray()) { List<byte[]> l = new ArrayList<>(); for (JsonNode x : n) l.add(records(x)); return concat(l); }
        byte[] b;
        if (n.has("hex")) b = unhex(n.get("hex").asText());
        else if (n.has("batch")) b = unhex(Objects.requireNonNull(batches.get(n.get("batch").asText()), "no batch " + n.get("batch")));
        else {
            List<SimpleRecord> l = new ArrayList<>();
            for (JsonNode r : n.get("records")) {
                List<Header> hs = new ArrayList<>();
                for (JsonNode h : r.path("headers")) hs.add(new RecordHeader(h.get(0).asText(), bytes(h.get(1))));
                l.add(new SimpleRecord(field(r, "timestamp", 8, "${now}"), bytes(r.path("key")), bytes(r.path("value")), hs.toArray(new Header[0])));
            }
            b = Utils.toArray(MemoryRecords.withRecords((byte) field(n, "magic", 1, "2"), 0L, Compression.of(n.path("codec").asText("none")).build(), TimestampType.CREATE_TIME,
                field(n, "producerId", 8, "-1"), (short) field(n, "producerEpoch", 2, "-1"), (int) field(n, "baseSequence", 4, "-1"), -1, n.path("transactional").asBoolean(), l.toArray(new SimpleRecord[0])).buffer());
        }
        if (n.has("baseOffset")) ByteBuffer.wrap(b).putLong(0, n.get("baseOffset").asLong());
        for (JsonNode x : n.path("corrupt").isObject() ? List.of(n.get("corrupt")) : n.path("corrupt")) b[x.get("at").asInt()] ^= (byte) x.get("xor").asInt();
        if (n.path("crc").asBoolean()) { CRC32C c = new CRC32C(); c.update(b, 21, b.length - 21); ByteBuffer.wrap(b).putInt(17, (int) c.getValue()); }
        return b;
    }
    static long field(JsonNode n, String field, int width, String absent) { return number(n.has(field) ? n.get(field) : TextNode.valueOf(absent), width); }
    static byte[] bytes(JsonNode n) {
        if (n.isNull() || n.isMissingNode()) return null;
        return (n.isObject() ? "x".repeat(n.get("size").asInt()) : n.asText()).getBytes(StandardCharsets.UTF_8);
    }

    static byte[] concat(List<byte[]> l) { ByteArrayOutputStream o = new ByteArrayOutputStream(); l.forEach(o::writeBytes); return o.toByteArray(); }
    static byte[] unhex(String s) { return HexFormat.of().parseHex(s.replace(" ", "")); }
}
