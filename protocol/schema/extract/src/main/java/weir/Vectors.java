package weir;

import java.io.DataOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.MessageUtil;

/**
 * Writes what Kafka's own classes make of every message in every version: a gzip file of entries
 * (name as modified UTF-8, int16 version, int32 CRC-32 of the debug text, int32 length, the bytes).
 */
public final class Vectors {
    private static final int SEEDS = 10;

    public static void main(String[] args) throws Exception {
        Path path = Path.of(args[0]);
        Files.createDirectories(path.getParent());
        int count = 0;
        try (DataOutputStream out = new DataOutputStream(new GZIPOutputStream(Files.newOutputStream(path)))) {
            for (Map.Entry<String, List<Catalog.Message>> file : Catalog.files().entrySet()) {
                for (Catalog.Message message : file.getValue()) count += message(out, new Shape(message));
            }
        }
        System.out.println(count + " vectors, " + Files.size(path) + " bytes");
    }

    private static int message(DataOutputStream out, Shape shape) throws Exception {
        int count = 0;
        for (int version = shape.message.lowest(); version <= shape.message.highest(); version++) {
            for (int seed = 0; seed < SEEDS; seed++) {
                vector(out, shape, (short) version, seed);
                count++;
            }
        }
        return count;
    }

    private static void vector(DataOutputStream out, Shape shape, short version, int seed) throws Exception {
        String name = shape.message.name();
        Filler.Style style = seed == 0 ? Filler.Style.FULL : seed == 1 ? Filler.Style.MINIMAL : Filler.Style.RANDOM;
        ApiMessage message = shape.message.fresh();
        new Filler(shape, version, style, name.hashCode() * 1_000_003L + version * 101L + seed).fill(message, 0);
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);

        ApiMessage again = shape.message.fresh();
        again.read(new ByteBufferAccessor(buffer), version);
        if (!again.equals(message)) throw new IllegalStateException(name + " v" + version + " does not round-trip");

        CRC32 crc = new CRC32();
        crc.update(Filler.utf8(new DebugText(shape).of(message, name)));
        out.writeUTF(name);
        out.writeShort(version);
        out.writeInt((int) crc.getValue());
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private Vectors() {}
}
