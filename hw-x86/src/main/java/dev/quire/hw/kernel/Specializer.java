// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodHandles.Lookup;

/**
 * Defines a template class again, for one structure, with that structure's data as constants.
 *
 * <p>Normally as a hidden class with class data: its static finals are constants for the compiler
 * and it is unloaded with its last instance. Hidden classes are invisible to agents, so with the
 * system property {@code quire.kernel=plain} each specialisation is an ordinary class in a loader
 * of its own, which coverage and mutation tools can see and change. Both forms behave alike (a test
 * holds it).
 */
public final class Specializer {
  /** The property that chooses the form: {@code hidden} (default) or {@code plain}. */
  public static final String FORM = "quire.kernel";

  private Specializer() {}

  /** A loader that knows one template and its data, and leaves all else to the loader above it. */
  private static final class TemplateLoader extends ClassLoader {
    private final Object data;

    TemplateLoader(ClassLoader parent, Object data) {
      super(parent);
      this.data = data;
    }

    Class<?> define(String name, byte[] bytes) {
      return defineClass(name, bytes, 0, bytes.length);
    }
  }

  /**
   * The constants of the calling template; for its static initialiser.
   *
   * @param caller the template's own lookup
   * @param type what its data is
   */
  public static <T> T data(Lookup caller, Class<T> type) {
    if (caller.lookupClass().getClassLoader() instanceof TemplateLoader loader) {
      return type.cast(loader.data);
    }
    try {
      return MethodHandles.classData(caller, "_", type);
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * A new instance of a fresh specialisation.
   *
   * @param base what callers hold it by; a hidden class has no name that others could use
   * @param template a class of this package that takes its constants from {@link #data}
   * @param data the constants
   */
  public static <B> B specialise(Class<B> base, Class<? extends B> template, Object data) {
    byte[] bytes = bytesOf(template);
    try {
      Class<?> special =
          "plain".equals(System.getProperty(FORM))
              ? new TemplateLoader(template.getClassLoader(), data)
                  .define(template.getName(), bytes)
              : MethodHandles.lookup()
                  .defineHiddenClassWithClassData(bytes, data, true)
                  .lookupClass();
      return base.cast(special.getDeclaredConstructor().newInstance());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot specialise " + template, e);
    }
  }

  private static byte[] bytesOf(Class<?> template) {
    String name = template.getName();
    String file = name.substring(name.lastIndexOf('.') + 1) + ".class";
    try (InputStream in = template.getResourceAsStream(file)) {
      if (in == null) {
        throw new IllegalStateException("no class file of " + template);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the class file of " + template, e);
    }
  }
}
